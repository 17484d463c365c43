package match

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/version"
	"assay/service/version/dpkg"
)

// Events, short.
func from(v string) advisory.Event    { return advisory.Event{Introduced: v} }
func fixed(v string) advisory.Event   { return advisory.Event{Fixed: v} }
func through(v string) advisory.Event { return advisory.Event{LastAffected: v} }
func limit(v string) advisory.Event   { return advisory.Event{Limit: v} }

func span(events ...advisory.Event) index.Range {
	return index.Range{Type: advisory.Ecosystem, Events: events}
}

func TestEvaluate(t *testing.T) {
	tests := []struct {
		name     string
		entry    index.Affected
		affected string // versions, separated by blanks
		not      string
	}{
		{
			name:  "no versions and no ranges affect nothing",
			entry: index.Affected{},
			not:   "0 1",
		}, {
			name:     "listed versions alone",
			entry:    index.Affected{Versions: []string{"1.0", "1.2"}},
			affected: "1.0 1.2",
			not:      "1.1 1.3",
		}, {
			name:     "listed versions are compared as text",
			entry:    index.Affected{Versions: []string{"1.0"}},
			affected: "1.0",
			not:      "1.00 0:1.0 1.0-0",
		}, {
			name:     "listed or in a range",
			entry:    index.Affected{Versions: []string{"5.0"}, Ranges: []index.Range{span(from("1.0"), fixed("2.0"))}},
			affected: "1.5 5.0",
			not:      "2.0 4.9",
		}, {
			name:     "introduced is inclusive",
			entry:    index.Affected{Ranges: []index.Range{span(from("1.0"))}},
			affected: "1.0 1.1 99",
			not:      "0.9 1.0~rc1",
		}, {
			name:     "introduced 0 is before every version",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), fixed("1.0"))}},
			affected: "0 0~git20200101 0~~ 0.9",
			not:      "1.0",
		}, {
			name:     "fixed is exclusive",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), fixed("1.0-1"))}},
			affected: "1.0-0 1.0-1~bpo1 1.0~rc1-9",
			not:      "1.0-1 1.0-1+b1 2.0 1:0.1",
		}, {
			name:     "last_affected is inclusive",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), through("1.0"))}},
			affected: "0.9 1.0 1.0-0",
			not:      "1.0-1 1.0.1",
		}, {
			name:     "a range of one version by last_affected",
			entry:    index.Affected{Ranges: []index.Range{span(from("1.0"), through("1.0"))}},
			affected: "1.0",
			not:      "0.9 1.0.1",
		}, {
			name:  "a range that is fixed where it was introduced is empty",
			entry: index.Affected{Ranges: []index.Range{span(from("1.0"), fixed("1.0"))}},
			not:   "0.9 1.0 1.1",
		}, {
			name:     "runs that touch at a fix",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), fixed("2"), from("2"), fixed("3"))}},
			affected: "1 1.9 2 2.9",
			not:      "0 3",
		}, {
			name:     "runs that touch at a last affected version",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), through("2"), from("2"), through("3"))}},
			affected: "1 2 2.5 3",
			not:      "0 3.1",
		}, {
			name:     "several introduced and fixed in one range",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), fixed("1.8.15"), from("1.9.0"), fixed("1.9.9"), from("1.10.0"))}},
			affected: "0.1 1.8.14 1.9.0 1.9.8 1.10.0 7",
			not:      "1.8.15 1.8.99 1.9.9 1.9.10",
		}, {
			name:     "several ranges",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), fixed("1.0")), span(from("2.0"), through("2.5"))}},
			affected: "0.5 2.0 2.5",
			not:      "1.0 1.9 2.6",
		}, {
			name:     "events out of order",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), from("4.0.1"), fixed("4.0.5"), fixed("3.0.21"))}},
			affected: "3.0.20 4.0.1 4.0.4",
			not:      "3.0.21 4.0.0 4.0.5",
		}, {
			name:     "introduced twice is introduced at the first",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), from("2"), fixed("3"))}},
			affected: "1 1.5 2 2.9",
			not:      "0.9 3",
		}, {
			name:     "fixed twice is fixed at the first",
			entry:    index.Affected{Ranges: []index.Range{span(from("0"), fixed("1"), fixed("2"))}},
			affected: "0.9",
			not:      "1 1.5 2",
		}, {
			name:     "a version before the limit",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), limit("2"))}},
			affected: "1 1.9",
			not:      "0.9 2 2.1",
		}, {
			name:     "before any of several limits is enough",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), limit("2"), limit("3"))}},
			affected: "1 2.9",
			not:      "3",
		}, {
			name:     "limit * does not limit",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), limit("*"), limit("2"))}},
			affected: "1 99",
			not:      "0.9",
		}, {
			name:     "a limit and a fix",
			entry:    index.Affected{Ranges: []index.Range{span(from("1"), fixed("3"), limit("2"))}},
			affected: "1 1.9",
			not:      "2 2.9 3",
		}, {
			name:     "the type of a range does not change its order",
			entry:    index.Affected{Ranges: []index.Range{{Type: advisory.Semver, Events: []advisory.Event{from("0"), fixed("1.0+deb12u1")}}}},
			affected: "1.0",
			not:      "1.0+deb12u1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(versions string, want bool) {
				for _, v := range strings.Fields(versions) {
					got, err := evaluateEntry(dpkg.Compare, v, tt.entry)
					if err != nil || got.affected != want {
						t.Errorf("%s: affected %v, %v; want %v", v, got.affected, err, want)
					}
				}
			}
			check(tt.affected, true)
			check(tt.not, false)
		})
	}
}

// TestEvaluateEnd holds how the run that holds a version ends above it, which
// names the fix.
func TestEvaluateEnd(t *testing.T) {
	tests := []struct {
		name, version string
		entry         index.Affected
		want          advisory.Event
	}{
		{"a fix", "0.5", index.Affected{Ranges: []index.Range{span(from("0"), fixed("1"))}}, fixed("1")},
		{"the fix of its own branch", "1.9.1", index.Affected{Ranges: []index.Range{span(from("0"), fixed("1.8.15"), from("1.9.0"), fixed("1.9.9"))}}, fixed("1.9.9")},
		{"no end", "1.9.1", index.Affected{Ranges: []index.Range{span(from("0"), fixed("1.8"), from("1.9"))}}, advisory.Event{}},
		{"a last affected version names no fix", "1", index.Affected{Ranges: []index.Range{span(from("0"), through("2"))}}, through("2")},
		{"a last affected version that is the version", "2", index.Affected{Ranges: []index.Range{span(from("0"), through("2"))}}, through("2")},
		{"the newest fix of two ranges", "1", index.Affected{Ranges: []index.Range{span(from("0"), fixed("3")), span(from("0"), fixed("2"))}}, fixed("3")},
		{"a range without end, and one with a fix", "1", index.Affected{Ranges: []index.Range{span(from("0"), fixed("3")), span(from("0"))}}, advisory.Event{}},
		{"listed, and a fix above", "1", index.Affected{Versions: []string{"1"}, Ranges: []index.Range{span(from("2"), fixed("4")), span(from("0"), fixed("0.5")), span(from("1.1"), fixed("3"))}}, fixed("3")},
		{"listed alone", "1", index.Affected{Versions: []string{"1"}}, advisory.Event{}},
		{"a limit names no fix", "1", index.Affected{Ranges: []index.Range{span(from("0"), limit("2"))}}, advisory.Event{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := evaluateEntry(dpkg.Compare, tt.version, tt.entry)
			if err != nil || !got.affected || got.end != tt.want {
				t.Errorf("affected %v, ends %+v, %v; want %+v", got.affected, got.end, err, tt.want)
			}
		})
	}
}

func TestEvaluateErrors(t *testing.T) {
	tests := []struct {
		name  string
		entry index.Affected
		err   string // empty where the rest decides
	}{
		{"introduced is not a version", index.Affected{Ranges: []index.Range{span(from("1-"), fixed("2"))}}, `version "1-" has an empty revision`},
		{"fixed is not a version", index.Affected{Ranges: []index.Range{span(from("0"), fixed("1 2"))}}, `version "1 2" has blanks inside`},
		{"limit is not a version", index.Affected{Ranges: []index.Range{span(from("0"), limit(":"))}}, `version ":" has an empty epoch`},
		{"an empty event", index.Affected{Ranges: []index.Range{span(from("0"), advisory.Event{})}}, `version "" is empty`},
		{"nothing introduced", index.Affected{Ranges: []index.Range{span(fixed("2"))}}, "a range has no introduced event"},
		{"another range decides", index.Affected{Ranges: []index.Range{span(from("1-")), span(from("0"))}}, ""},
		{"the list decides", index.Affected{Versions: []string{"1"}, Ranges: []index.Range{span(from("1-"))}}, ""},
		{"another range does not hold it", index.Affected{Ranges: []index.Range{span(from("1-")), span(from("2"))}}, `version "1-"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := evaluateEntry(dpkg.Compare, "1", tt.entry)
			if tt.err == "" {
				if err != nil || !got.affected {
					t.Errorf("affected %v, %v; want affected", got.affected, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) || got.affected {
				t.Errorf("affected %v, error %v; want error %q", got.affected, err, tt.err)
			}
		})
	}
}

// TestEvaluateGenuine evaluates records as they were published. Their versions
// are numbers and dots, which all ecosystems order alike.
func TestEvaluateGenuine(t *testing.T) {
	tests := []struct {
		id, name      string
		affected, not string
	}{
		{"GHSA-9qj7-jvg4-qr2x", "passenger", "0.1 3.0.20 4.0.1 4.0.4", "3.0.21 3.9 4.0.5"},
		{"GHSA-fhjf-83wg-r2j9", "mixin-deep", "1.3.1 2.0.0", "1.3.2 1.9 2.0.1"},
		{"BIT-consul-2021-37219", "consul", "1.8.14 1.9.0 1.9.8 1.10.1", "1.8.15 1.9.9 1.10.2"},
		{"BIT-activemq-2021-21341", "activemq", "5.15.13 5.16.0 5.16.1", "5.15.14 5.16.2"},
		{"BIT-2020-12603", "envoy", "1.12.3 1.13.2 1.14.2", "1.12.4 1.13.1 1.13.3 1.14.1 1.14.3"},
		{"BIT-2020-11998", "activemq", "5.15.12", "5.15.11 5.15.13"},
		{"BIT-node-2020-8201", "node", "12.0.0 12.18.3 14.0.0 14.10.9", "11.9.9 12.18.4 13.0.0 14.11.0"},
		{"PYSEC-2023-120", "aiohttp", "0.1 3.8.4 4.0.1", "3.8.5 4.0.0 4.0.2"},
		{"PYSEC-2022-42969", "py", "0.0.1 1.11.0", "1.11.1"},
		{"PYSEC-2012-11", "pyfribidi", "0.10.1 0.0.1", "0.11.0"},
		{"GHSA-jvf4-g24p-2qgw", "shiba", "0 99.9.9", ""},
		{"GHSA-4g4c-8gqh-m4vm", "paranoid2", "1.1.6", "1.1.5 1.1.7"},
		{"GHSA-f89g-whpf-6q9m", "i18next", "1.10.2", "1.10.3"},
		{"MAL-2024-10238", "123bla", "0.0.1", "0.0.2"},
		{"DSA-3029-1", "nginx", "1.2.1-2.2+wheezy2", "1.2.1-2.2+wheezy3 1.6.2-1"},
		{"GHSA-35c4-f3rq-f9g3", "activesupport", "", "3.2.21"}, // withdrawn
		{"PYSEC-2022-15", "loguru", "", "0.5.3"},               // withdrawn, and nothing in it
		{"CVE-2023-41045", "", "", "1.0"},                      // commits only
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			entries := index.Entries(sample(t, tt.id), nil)
			check := func(versions string, want bool) {
				for _, v := range strings.Fields(versions) {
					got := slices.ContainsFunc(entries, func(e index.Entry) bool {
						out, err := evaluateEntry(dpkg.Compare, v, e.Affected)
						if err != nil {
							t.Errorf("%s: %v", v, err)
						}
						return e.Name == tt.name && out.affected
					})
					if got != want {
						t.Errorf("%s: affected %v, want %v", v, got, want)
					}
				}
			}
			check(tt.affected, true)
			check(tt.not, false)
		})
	}
}

// FuzzEvaluate holds the evaluation against the schema's own, written down word
// for word, on ranges whose events all stand at different versions; and, on any
// range, that neither the order of the events nor that of the ranges matters.
func FuzzEvaluate(f *testing.F) {
	f.Add([]byte{0, 0, 1, 5, 0, 7, 2, 9}, byte(6))
	f.Add([]byte{0, 3, 3, 8, 1, 3, 2, 3}, byte(3))
	f.Fuzz(func(t *testing.T, data []byte, at byte) {
		var events []advisory.Event
		versions := map[byte]bool{}
		distinct := true
		for i := 0; i+1 < len(data) && i < 32; i += 2 {
			n := data[i+1] % 16
			v := string("0123456789abcdef"[n])
			if n >= 10 { // letters do not begin a version
				v = "1" + string('0'+n-10)
			}
			switch data[i] % 4 {
			case 0:
				events = append(events, from(v))
			case 1:
				events = append(events, fixed(v))
			case 2:
				events = append(events, through(v))
			default:
				events = append(events, limit(v))
			}
			distinct = distinct && !versions[n]
			versions[n] = true
		}
		version := "0123456789"[at%10 : at%10+1]
		got, err := evaluateEntry(dpkg.Compare, version, index.Affected{Ranges: []index.Range{span(events...)}})
		if err == nil && distinct {
			if want := bySchema(t, dpkg.Compare, version, events); got.affected != want {
				t.Errorf("%s in %+v: affected %v, the schema says %v", version, events, got.affected, want)
			}
		}
		rng := rand.New(rand.NewPCG(uint64(at), uint64(len(data))))
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		again, err2 := evaluateEntry(dpkg.Compare, version, index.Affected{Ranges: []index.Range{span(events...)}})
		if (err == nil) != (err2 == nil) || again.affected != got.affected || again.end.Fixed != got.end.Fixed {
			t.Errorf("%s in %+v: %+v, %v; in another order %+v, %v", version, events, got, err, again, err2)
		}
	})
}

// bySchema is the pseudocode of the schema's section on evaluation.
func bySchema(t *testing.T, order version.Compare, v string, events []advisory.Event) bool {
	t.Helper()
	compare := func(a, b string) int {
		c, err := order(a, b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	limits, before := false, false
	for _, e := range events {
		if e.Limit != "" {
			limits = true
			before = before || compare(v, e.Limit) < 0
		}
	}
	if limits && !before {
		return false
	}
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b advisory.Event) int {
		if a.Introduced == "0" || b.Introduced == "0" {
			return cmp.Compare(boolean(b.Introduced == "0"), boolean(a.Introduced == "0"))
		}
		return compare(a.Introduced+a.Fixed+a.LastAffected+a.Limit, b.Introduced+b.Fixed+b.LastAffected+b.Limit)
	})
	vulnerable := false
	for _, e := range events {
		switch {
		case e.Introduced != "" && (e.Introduced == "0" || compare(v, e.Introduced) >= 0):
			vulnerable = true
		case e.Fixed != "" && compare(v, e.Fixed) >= 0:
			vulnerable = false
		case e.LastAffected != "" && compare(v, e.LastAffected) > 0:
			vulnerable = false
		}
	}
	return vulnerable
}

func sample(t testing.TB, id string) advisory.Advisory {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "osv-samples", strings.ReplaceAll(id, ":", "_")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var a advisory.Advisory
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	return a
}
