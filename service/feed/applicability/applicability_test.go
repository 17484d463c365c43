package applicability

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

func configurations(t testing.TB, text string) []Configuration {
	var all []Configuration
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func match(criteria, rest string) string {
	return `{"vulnerable":true,"criteria":"` + criteria + `"` + rest + `}`
}

// or is one configuration with one node of alternatives.
func or(matches ...string) string {
	return `[{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[` + strings.Join(matches, ",") + `]}]}]`
}

func TestAffected(t *testing.T) {
	const bash = "cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"
	for name, tt := range map[string]struct{ conf, want string }{
		"start and end": {or(match(bash, `,"versionStartIncluding":"4.0","versionEndExcluding":"5.2"`)),
			`[{"package":{"ecosystem":"CPE","name":"gnu:bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"4.0"},{"fixed":"5.2"}]}],` +
				`"database_specific":{"cpe":{"part":"a","criteria":["cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"]}}}]`},
		"ranges of one package, the same twice": {or(match(bash, `,"versionEndIncluding":"4.0"`), match(bash, `,"versionStartExcluding":"5.0"`), match(bash, `,"versionEndIncluding":"4.0"`)),
			`[{"package":{"ecosystem":"CPE","name":"gnu:bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"last_affected":"4.0"}]}],` +
				`"database_specific":{"cpe":{"part":"a","criteria":["cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"]}}},` +
				`{"package":{"ecosystem":"CPE","name":"gnu:bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"5.0"}]}],` +
				`"database_specific":{"cpe":{"part":"a","criteria":["cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"],"start_excluded":true}}}]`},
		"single versions": {or(match("cpe:2.3:a:GNU:Bash:5.1:-:*:*:*:*:*:*", ""), match("cpe:2.3:a:gnu:bash:5.1:p3:*:*:*:*:*:*", "")),
			`[{"package":{"ecosystem":"CPE","name":"gnu:bash"},"versions":["5.1"],"database_specific":{"cpe":{"part":"a","update":"-","criteria":["cpe:2.3:a:GNU:Bash:5.1:-:*:*:*:*:*:*"]}}},` +
				`{"package":{"ecosystem":"CPE","name":"gnu:bash"},"versions":["5.1p3","5.1-p3"],"database_specific":{"cpe":{"part":"a","update":"p3","criteria":["cpe:2.3:a:gnu:bash:5.1:p3:*:*:*:*:*:*"]}}}]`},
		"attributes": {or(match("cpe:2.3:a:x:y:*:*:e:l:se:ts:th:o", "")),
			`[{"package":{"ecosystem":"CPE","name":"x:y"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"database_specific":{"cpe":{"part":"a","edition":"e",` +
				`"language":"l","sw_edition":"se","target_sw":"ts","target_hw":"th","other":"o","criteria":["cpe:2.3:a:x:y:*:*:e:l:se:ts:th:o"]}}}]`},
		"a condition": {`[{"operator":"AND","nodes":[{"operator":"OR","cpeMatch":[` + match(bash, `,"versionEndExcluding":"5.2"`) + `]},` +
			`{"operator":"OR","cpeMatch":[{"vulnerable":false,"criteria":"cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*","versionEndExcluding":"6"},` +
			`{"vulnerable":false,"criteria":"cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}]}]}]`,
			`[{"package":{"ecosystem":"CPE","name":"gnu:bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"5.2"}]}],` +
				`"database_specific":{"cpe":{"part":"a","criteria":["cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"],"conditions":[[{"criteria":"cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*","end_excluding":"6"},` +
				`{"criteria":"cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}]]}}}]`},
		"not vulnerable, without AND": {or(match(bash, ""), `{"vulnerable":false,"criteria":"cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}`),
			`[{"package":{"ecosystem":"CPE","name":"gnu:bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],` +
				`"database_specific":{"cpe":{"part":"a","criteria":["cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"]}}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, left := Affected(configurations(t, tt.conf))
			b, err := json.Marshal(got)
			if err != nil || string(b) != tt.want || left != nil {
				t.Errorf("%s, left %v, %v, want\n%s", b, left, err, tt.want)
			}
		})
	}
}

// What is not understood in every part gives no entry.
func TestLeft(t *testing.T) {
	const bash = "cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:*"
	for _, tt := range []struct{ conf, want string }{
		{or(match("bash", "")), leftName},
		{or(match("cpe:2.3:a:gnu:bas*:*:*:*:*:*:*:*:*", "")), leftName},
		{or(match("", "")), leftName},
		{or(match("cpe:2.3:h:siemens:simatic:*:*:*:*:*:*:*:*", "")), leftHardware},
		{or(match("cpe:2.3:a:*:bash:*:*:*:*:*:*:*:*", "")), leftPackage},
		{or(match("cpe:/a:gnu", "")), leftPackage},
		{or(match("cpe:2.3:a:gnu:bash:-:*:*:*:*:*:*:*", "")), leftVersion},
		{or(match("cpe:2.3:a:gnu:bash:5:*:*:*:*:*:*:*", `,"versionEndExcluding":"6"`)), leftUpdate},
		{or(match("cpe:2.3:a:gnu:bash:*:p1:*:*:*:*:*:*", "")), leftUpdate},
		{or(match(`cpe:2.3:a:gnu:bash:n\/a:*:*:*:*:*:*:*`, "")), leftBound},
		{or(match("cpe:2.3:a:gnu:bash:unspecified:*:*:*:*:*:*:*", "")), leftBound},
		{or(match(bash, `,"versionEndExcluding":"n/a"`)), leftBound},
		{or(match(bash, `,"versionEndIncluding":"*"`)), leftBound},
		{or(match(bash, `,"versionEndIncluding":"<= 5.2"`)), leftBound},
		{or(match(bash, `,"versionStartIncluding":"unspecified","versionEndIncluding":"5.2"`)), leftBound},
		{or(match(bash, `,"versionEndExcluding":"12 sp2 build (1204.200)"`)), leftBound},
		{`[{"negate":true,"nodes":[{"cpeMatch":[` + match(bash, "") + `]}]}]`, leftNegated},
		{`[{"nodes":[{"negate":true,"cpeMatch":[` + match(bash, "") + `]}]}]`, leftNegated},
		{`[{"operator":"AND","nodes":[{"cpeMatch":[` + match(bash, "") + `]},{"cpeMatch":[{"criteria":"cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"},` +
			`{"criteria":"cpe:2.3:o:apple:macos:-:*:*:*:*:*:*:*"}]}]}]`, leftOtherOS},
	} {
		got, left := Affected(configurations(t, tt.conf))
		if len(got) != 0 || !maps.Equal(left, Left{tt.want: 1}) {
			t.Errorf("%s: %+v, left %v, want %q", tt.conf, got, left, tt.want)
		}
	}
	for _, empty := range []string{"[]", "[{}]", `[{"nodes":[{}]}]`, or()} {
		if got, left := Affected(configurations(t, empty)); len(got) != 0 || left != nil {
			t.Errorf("%s: %+v, left %v", empty, got, left)
		}
	}
}

func TestMany(t *testing.T) {
	m := Match{Vulnerable: true, Criteria: "cpe:2.3:a:gnu:bash:5:*:*:*:*:*:*:*"}
	matches := make([]Match, maxMatches+3)
	for i := range matches {
		matches[i] = m
	}
	got, left := Affected([]Configuration{{Nodes: []Node{{Matches: matches}}}})
	if len(got) != 1 || len(got[0].Versions) != 1 || left[leftTooMany] != 3 {
		t.Errorf("%d entries, left %v", len(got), left)
	}
}

func TestIsVersion(t *testing.T) {
	for s, want := range map[string]bool{
		"1": true, "1.2.3-rc1+b~2:4_5": true, "v2.0": true, "r2024": true, "2024-01-02": true,
		"": false, "n/a": false, "*": false, "-": false, "unspecified": false, "<= 1.2": false, "1.2, 1.3": false, "1.2 and 1.3": false,
		"<1.2": false, "1.*": false, ".1": false, "latest": false, "1.2\n": false, "１.2": false, strings.Repeat("1", 101): false,
	} {
		if got := IsVersion(s); got != want {
			t.Errorf("IsVersion(%q) = %t", s, got)
		}
	}
}

// Every entry has a package and something to compare, and only versions in it.
func FuzzAffected(f *testing.F) {
	f.Add([]byte(or(match("cpe:2.3:a:gnu:bash:5.1:p3:*:*:*:*:*:*", ""), match("cpe:/a:x:y", `,"versionStartIncluding":"1","versionEndExcluding":"2"`))))
	f.Add([]byte(`[{"operator":"AND","nodes":[{"cpeMatch":[` + match("cpe:/o:x:y", "") + `]},{"cpeMatch":[{"criteria":"cpe:/o:microsoft:windows"}]}]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []Configuration
		if json.Unmarshal(b, &all) != nil {
			return
		}
		entries, _ := Affected(all)
		for _, e := range entries {
			if e.Package.Name == "" || len(e.Ranges)+len(e.Versions) == 0 {
				t.Fatalf("entry %+v", e)
			}
			for _, r := range e.Ranges {
				if len(r.Events) == 0 || r.Events[0].Introduced == "" {
					t.Fatalf("range %+v", r)
				}
				for _, event := range r.Events {
					if v := event.Introduced + event.Fixed + event.LastAffected; !IsVersion(v) {
						t.Fatalf("%q is not a version", v)
					}
				}
			}
		}
	})
}

// Each match has the conditions of its configuration again, so a record of a few MiB could
// become many GiB.
func TestManyConditions(t *testing.T) {
	var programs, platforms []Match
	for i := range 5000 {
		programs = append(programs, Match{Vulnerable: true, Criteria: fmt.Sprintf("cpe:2.3:a:gnu:p%d:5:*:*:*:*:*:*:*", i)})
	}
	for i := range maxConditions {
		platforms = append(platforms, Match{Criteria: fmt.Sprintf("cpe:2.3:o:v:system:%d:*:*:*:*:*:*:*", i)})
	}
	got, left := Affected([]Configuration{{Operator: "AND", Nodes: []Node{{Matches: programs}, {Matches: platforms}}}})
	if want := maxRepeated / maxConditions; len(got) != want || left[leftTooMany] != len(programs)-want {
		t.Errorf("%d entries, left %v, want %d", len(got), left, want)
	}
}
