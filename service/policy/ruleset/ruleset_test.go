package ruleset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/store"
	"assay/verdict"
)

const example = `
all:
  default: {fail-on: "critical,epss=0.5", grace: 7d}
  mandatory: {fail-on: critical, max-age: 2d, continue-on-failure: false}
  exceptions:
    - {id: CVE-2024-1111, reason: not reachable, by: security team}
  forbidden:
    - {package: xz-utils, versions: 5.6.0, reason: backdoor}
projects:
  shop/*:
    default: {fail-on: high}
    mandatory: {fail-on-eol: true}
    vex: refused
  shop/web:
    ignore-files: refused
tokens:
  nightly:
    default: {fail-on: none}
`

func parse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFor(t *testing.T) {
	p := parse(t, example)
	p.Version = 3
	tests := []struct{ project, token, sections, options, files string }{
		{"", "", "all", "fail-on=critical,epss=0.5 grace=7d", ""},
		{"other", "ci", "all", "fail-on=critical,epss=0.5 grace=7d", ""},
		{"shop/api", "ci", "all, project shop/*", "fail-on=high grace=7d", "vex 13"},
		{"shop/web", "ci", "all, project shop/*, project shop/web", "fail-on=high grace=7d", "ignore-files 15 vex 13"},
		{"shop/web/x", "ci", "all", "fail-on=critical,epss=0.5 grace=7d", ""},
		{"shop/web", "nightly", "all, project shop/*, project shop/web, token nightly", "fail-on=none grace=7d", "ignore-files 15 vex 13"},
	}
	for _, tt := range tests {
		e := p.For(tt.project, tt.token)
		o := e.Options()
		option, _ := verdict.DeclaredOption("fail-on")
		options := fmt.Sprintf("fail-on=%s grace=%s", option.Value(o), o.Grace)
		files := ""
		if e.NoIgnoreFiles > 0 {
			files += fmt.Sprintf("ignore-files %d ", e.NoIgnoreFiles)
		}
		if e.NoVEX > 0 {
			files += fmt.Sprintf("vex %d", e.NoVEX)
		}
		if s := strings.Join(e.Sections, ", "); s != tt.sections || options != tt.options || files != tt.files || e.Version != 3 {
			t.Errorf("%s %s: %s, %s, %s; want %s, %s, %s", tt.project, tt.token, s, options, files, tt.sections, tt.options, tt.files)
		}
		if len(e.Exceptions) != 1 || len(e.Forbidden) != 1 || e.Written(7) != "policy version 3 line 7" {
			t.Errorf("%s: %d exceptions, %d forbidden", tt.project, len(e.Exceptions), len(e.Forbidden))
		}
	}
	if e := (*Policy)(nil).For("a", "b"); e != nil || e.Options() != verdict.DefaultOptions() {
		t.Error("no policy says something")
	}
}

// A project that a variable names brings only what is stricter.
func TestForInherited(t *testing.T) {
	p := parse(t, `
all: {default: {fail-on: high}}
projects:
  lenient: {default: {fail-on: none, grace: 30d}, exceptions: [{id: CVE-1, reason: r}]}
  strict: {default: {fail-on: low}, mandatory: {fail-on-eol: true}, vex: refused, forbidden: [{id: CVE-1, reason: r}]}
tokens:
  nightly: {default: {fail-on: critical}}
`)
	for project, want := range map[string]string{"lenient": "high 0d 0 0 0", "strict": "low 0d 0 1 5"} {
		e := p.ForInherited(project, "")
		o := e.Options()
		if got := fmt.Sprint(o.FailOn, " ", o.Grace, " ", len(e.Exceptions), len(e.Forbidden), e.NoVEX); got != want {
			t.Errorf("%s: %s, want %s", project, got, want)
		}
	}
	if o := p.ForInherited("lenient", "nightly").Options(); o.FailOn != verdict.Critical {
		t.Errorf("the token's default is %s", o.FailOn)
	}
	if o := p.For("lenient", "").Options(); o.FailOn != verdict.FailOnNone {
		t.Errorf("a flag: %s", o.FailOn)
	}
}

// The sections of an inherited project do not loosen what is mandatory, as those of another
// project do.
func TestInheritedBase(t *testing.T) {
	p := parse(t, `
all: {mandatory: {fail-on: high}}
projects:
  shop: {default: {fail-on-base: low}, mandatory: {fail-on-base: none, grace: 30d, unrated: low}}
`)
	asked := verdict.DefaultOptions()
	for _, v := range []struct{ name, value string }{{"fail-on-base", "none"}, {"grace", "10d"}, {"unrated", "low"}} {
		option, _ := verdict.DeclaredOption(v.name)
		option.Set(&asked, v.value)
	}
	for _, tt := range []struct {
		e    *Effective
		want string
	}{{p.For("shop", ""), "high none 10d low"}, {p.ForInherited("shop", ""), "high high 0d high"}, {p.For("", ""), "high high 0d high"}} {
		o := asked
		tt.e.Require(&o, func(Setting, string) {})
		if got := fmt.Sprint(o.FailOn, " ", o.For(verdict.OriginBase).FailOn, " ", o.Grace, " ", o.Unrated); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.e.Sections, got, tt.want)
		}
	}
	if o := p.ForInherited("shop", "").Options(); o.FailOnBase != "" {
		t.Errorf("an inherited default: %s", o.FailOnBase)
	}
}

// The last section with a ratchet counts, and "off" turns off an earlier one.
func TestRatchet(t *testing.T) {
	p := parse(t, "all:\n  ratchet: {against: main, grace: 14d}\nprojects:\n  a: {ratchet: off}\n  b: {ratchet: {against: stable, grace: 7d}}\ntokens:\n  t: {ratchet: off}\n")
	for _, tt := range []struct{ project, token, want string }{
		{"", "", "main 14d 2"}, {"a", "", ""}, {"b", "", "stable 7d 5"}, {"b", "t", ""}, {"c", "", "main 14d 2"},
	} {
		got := ""
		if r := p.For(tt.project, tt.token).Ratchet; r != nil {
			got = fmt.Sprint(r.Against, " ", r.Grace, " ", r.Line)
		}
		if got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestRequire(t *testing.T) {
	e := parse(t, example).For("shop/api", "")
	set := func(o verdict.Options, values ...string) verdict.Options {
		for _, v := range values {
			name, value, _ := strings.Cut(v, "=")
			option, _ := verdict.DeclaredOption(name)
			if !option.Set(&o, value) {
				t.Fatalf("invalid %s", v)
			}
		}
		return o
	}
	tests := []struct{ asked, want []string }{
		{[]string{"fail-on=none"}, []string{"fail-on=critical", "max-age=2d", "fail-on-eol=true"}},
		{[]string{"fail-on=low", "max-age=12h", "fail-on-eol=true"}, []string{"fail-on=low", "max-age=12h", "fail-on-eol=true"}},
		{[]string{"max-age=30d", "continue-on-failure=true"}, []string{"max-age=2d", "fail-on-eol=true"}},
		// A mandatory fail-on also holds for what could get around it. 7d is the default.
		{[]string{"grace=30d", "unrated=low"}, []string{"grace=7d", "unrated=high", "max-age=2d", "fail-on-eol=true"}},
		{[]string{"grace=1d", "unrated=critical"}, []string{"grace=1d", "unrated=critical", "max-age=2d", "fail-on-eol=true"}},
		{[]string{"fail-on=epss=0.1"}, []string{"fail-on=critical,epss=0.1", "max-age=2d", "fail-on-eol=true"}},
	}
	for _, tt := range tests {
		o, want := set(verdict.DefaultOptions(), tt.asked...), set(verdict.DefaultOptions(), tt.want...)
		changed := 0
		e.Require(&o, func(Setting, string) { changed++ })
		if o != want || (changed == 0) != slices.Equal(tt.asked, tt.want) {
			t.Errorf("%v: %+v, %d changed; want %+v", tt.asked, o, changed, want)
		}
	}
}

// Only "*" is special in the name of a project.
func TestNames(t *testing.T) {
	for pattern, names := range map[string][2][]string{
		"shop/*":  {{"shop/web", "shop/"}, {"shop", "shop/a/b", "Shop/web", "xshop/web"}},
		"a[1]?":   {{"a[1]?"}, {"a1", "a1x", "a[1]"}},
		`a\b[`:    {{`a\b[`}, {"ab", `a\b`}},
		"*":       {{"a", "b c"}, {"", "a/b"}},
		"[*]":     {{"[]", "[x]"}, {"*", "x"}},
		"shop/**": {{"shop/web"}, {"shop/a/b"}},
	} {
		p := parse(t, fmt.Sprintf("projects: {%q: {}}", pattern))
		for i, want := range []int{1, 0} {
			for _, name := range names[i] {
				if got := len(p.For(name, "").Sections); got != want {
					t.Errorf("%q and the project %q: %d sections, want %d", pattern, name, got, want)
				}
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "the policy is empty",
		"rules: []":                                  `line 1: unknown key "rules"`,
		"all: [x]":                                   "line 1: want keys and values",
		"all: {defaults: {}}":                        `unknown key "defaults"`,
		"all: {default: {fail_on: high}}":            `unknown key "fail_on"`,
		"all: {default: {project: x}}":               `unknown key "project"`,
		"all: {default: {fail-on: hgih}}":            `invalid value "hgih" of fail-on`,
		"all: {cpe: no}":                             "invalid value \"no\" of cpe, want list or fail",
		"all: {cpe: [list]}":                         "line 1",
		"all: {vex: no}":                             "want allowed or refused",
		"all: {exceptions: [{id: CVE-1}]}":           "has no reason",
		"all: {forbidden: [{reason: r}]}":            "without a condition",
		"projects: {'': {}}":                         "invalid name",
		"all: {}\nall: {}":                           "repeated or invalid key",
		"all: &a {mandatory: *a}":                    "nested more than",
		strings.Repeat("#", MaxBytes+1):              "more than 1048576 bytes",
		"all: {ratchet: on}":                         `invalid value "on" of ratchet`,
		"all: {ratchet: {against: main}}":            "needs against and grace",
		"all: {ratchet: {grace: 14d}}":               "needs against and grace",
		"all: {ratchet: {against: main, grace: 0d}}": `invalid value "0d" of grace`,
		"all: {ratchet: {against: \"a\\u0007\", grace: 1d}}":                        `of against, it takes`,
		"all: {ratchet: {against: main, grace: 4000d}}":                             `invalid value "4000d" of grace`,
		"all: {ratchet: {ref: main}}":                                               `unknown key "ref"`,
		"all: {exceptions: [" + strings.Repeat("{id: C, reason: r},", 10001) + "]}": "more than 10000 entries",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		example: "token nightly: the default fail-on=none in line 18 never counts, because line 4 requires critical",
		"all: {default: {fail-on: high}, mandatory: {fail-on: critical}}":                                                                                                                 "",
		"all: {default: {fail-on: critical}, mandatory: {fail-on: high}}":                                                                                                                 "all: the default fail-on=critical in line 1 never counts, because line 1 requires high",
		"all: {mandatory: {grace: 1d}}\nprojects: {a: {mandatory: {grace: 7d}}}":                                                                                                          "project a: grace=7d in line 2 is weaker than line 1, which holds here too",
		"all: {exceptions: [{id: CVE-2024-1111, reason: r, expires: 2026-01-01}]}":                                                                                                        "all: the exception of CVE-2024-1111 (line 1) expired on 2026-01-01",
		"all: {exceptions: [{id: CVE-2024-1111, reason: r}]}":                                                                                                                             "",
		"all: {forbidden: [{id: CVE-2024-1111, reason: r}], exceptions: [{id: CVE-2024-1111, package: a, reason: r}]}":                                                                    "all: the exception of CVE-2024-1111 in a (line 1) never counts, because line 1 forbids the same",
		"all: {forbidden: [{id: CVE-2024-1111, package: b, reason: r}], exceptions: [{id: CVE-2024-1111, package: a, reason: r}]}":                                                        "",
		"all: {mandatory: {fail-on: high}, ratchet: {against: main, grace: 14d}}":                                                                                                         "",
		"all: {mandatory: {fail-on: high}, ratchet: {against: main, grace: 14d}}\nprojects: {a: {ratchet: off}, b: {ratchet: {against: stable, grace: 7d}}}\ntokens: {t: {ratchet: off}}": "",
		"all: {ratchet: {against: main, grace: 14d}}":                                                                                                                                     "all: a build can pass as main with weaker options and so make its findings known, because no mandatory fail-on holds for all tokens",
		"all: {mandatory: {fail-on: none}, ratchet: {against: main, grace: 14d}}":                                                                                                         "all: a build can pass as main with weaker options and so make its findings known, because no mandatory fail-on holds for all tokens",
		"tokens: {ci: {mandatory: {fail-on: high}, ratchet: {against: main, grace: 14d}}}":                                                                                                "token ci: a build can pass as main with weaker options and so make its findings known, because no mandatory fail-on holds for all tokens",
		"projects: {a: {mandatory: {fail-on: high}, ratchet: {against: main, grace: 14d}}}":                                                                                               "",
		"all: {mandatory: {fail-on: high}}\ntokens: {ci: {ratchet: {against: main, grace: 14d}}}":                                                                                         "",
		"projects: {main: {mandatory: {fail-on: high}, ratchet: {against: main, grace: 14d}}}":                                                                                            "project main: line 1 names the project main as the ref to compare with",
		"all: {ratchet: off}":           "all: the ratchet that line 1 turns off is on nowhere before",
		"projects: {a: {ratchet: off}}": "project a: the ratchet that line 1 turns off is on nowhere before",
		"all: {mandatory: {fail-on: high}, ratchet: {against: main, grace: 400d}}":                                                     "all: the grace of the ratchet, 400d in line 1, is longer than a year",
		"all: {mandatory: {fail-on: high}, default: {grace: 30d}, ratchet: {against: main, grace: 14d}}":                               "all: what a build introduces has a grace of 30d by default, which is longer than the 14d of the ratchet in line 1",
		"all: {mandatory: {fail-on: high, grace: 7d}, ratchet: {against: main, grace: 14d}}":                                           "all: the grace of the ratchet, 14d in line 1, is longer than the 7d that line 1 requires, and known findings have it",
		"all: {forbidden: [{id: cve-2024-1234, reason: r}]}":                                                                           "all: cve-2024-1234 (line 1) matches no finding, because the id of a CVE has the form CVE-2024-1234, in upper case",
		"all: {forbidden: [{id: CVE-2024-1234, reason: r}, {id: 'RHSA-2024:1234', reason: r}, {id: openSUSE-SU-2024:1-1, reason: r}]}": "",
		"all: {forbidden: [{id: CVE-2024-123, reason: r}]}":                                                                            "all: CVE-2024-123 (line 1) matches no finding, because the id of a CVE has the form CVE-2024-1234, in upper case",
		"all: {exceptions: [{id: GHSA-ABCD-abcd-abcd, reason: r}]}":                                                                    "all: GHSA-ABCD-abcd-abcd (line 1) matches no finding, because the id of a GHSA has the form GHSA-xxxx-xxxx-xxxx, in lower case after the first hyphen",
		"all: {forbidden: [{id: 'CVE-2024-*', reason: r}]}":                                                                            "all: CVE-2024-* (line 1) matches no finding, because an id has a form such as CVE-2024-1234",
		"all: {forbidden: [{id: log4shell, reason: r}]}":                                                                               "all: log4shell (line 1) matches no finding, because an id has a form such as CVE-2024-1234",
		"all: {forbidden: [{id: mal-2024-1, reason: r}]}":                                                                              "all: mal-2024-1 (line 1) matches no finding, because ids are not in lower case",
		"all: {forbidden: [{package: a, reason: r, expires: 2026-01-01}]}":                                                             "all: a (line 1) is forbidden no longer since 2026-01-01",
		"projects: {' a': {}}":                                   "project  a: no name has spaces around it or characters that cannot be printed, so the section is never about a scan",
		"projects: {'shop/**': {}}":                              `project shop/**: "**" means the same as "*", which matches no slash: use one pattern for each depth, such as shop/* and shop/*/*`,
		"projects: {'shop/': {}}":                                "project shop/: the slash at the beginning or the end is part of the name",
		"tokens: {'ci-?': {}}":                                   `token ci-?: only "*" is special, the other characters are part of the name`,
		"projects: {'shop/*': {}, 'a.b_c-d': {}}":                "",
		"all: {default: {fail-on: none, fail-on-unfixed: true}}": "all: fail-on-unfixed has no effect, because no severity fails",
	} {
		if got := strings.Join(parse(t, text).Check(now), "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", text, got, want)
		}
	}
}

// memory is a Store.
type memory struct {
	files  []store.File
	locked bool
}

func (m *memory) PutFile(_ context.Context, f store.File) error {
	m.files = append(m.files, f)
	return nil
}

func (m *memory) File(_ context.Context, name string) (store.File, error) {
	for _, f := range m.files {
		if f.Name == name {
			return f, nil
		}
	}
	return store.File{}, store.ErrNotFound
}

func (m *memory) ListFiles(context.Context, string) ([]store.File, error) { return m.files, nil }

func (m *memory) TakeLock(context.Context, string, string, time.Time, time.Time) (bool, error) {
	return !m.locked, nil
}

func (m *memory) DropLock(context.Context, string, string) error { return nil }

func TestVersions(t *testing.T) {
	ctx, m, now := t.Context(), &memory{}, time.Unix(1, 0)
	current := &Current{Store: m}
	if p, err := current.Get(ctx); p != nil || err != nil {
		t.Errorf("no policy: %v, %v", p, err)
	}
	for i, text := range []string{"all: {default: {fail-on: low}}", "all: {default: {fail-on: none}}"} {
		if n, err := Set(ctx, m, []byte(text), "me", now); n != i+1 || err != nil {
			t.Fatalf("version %d, %v", n, err)
		}
		p, err := current.Get(ctx)
		if err != nil || p.Version != i+1 {
			t.Errorf("the current version is %+v, %v", p, err)
		}
	}
	p, err := At(ctx, m, 1)
	if err != nil || p.For("", "").Options().FailOn != verdict.Low {
		t.Errorf("version 1: %+v, %v", p, err)
	}
	if p, err := At(ctx, m, 0); p != nil || err != nil {
		t.Errorf("version 0: %v, %v", p, err)
	}
	if _, err := At(ctx, m, 9); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("version 9: %v", err)
	}
	m.locked = true
	if _, err := Set(ctx, m, nil, "me", now); !errors.Is(err, ErrBusy) {
		t.Errorf("while locked: %v", err)
	}
	m.files = append(m.files, store.File{Name: "policy/x"})
	if _, err := current.Get(ctx); err == nil {
		t.Error("an unknown file is no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse([]byte(text))
		if err != nil {
			return
		}
		p.Check(time.Unix(0, 0))
		o := p.For("a", "b").Options()
		e := p.For("a", "b")
		e.Require(&o, func(Setting, string) {})
		again := o
		e.Require(&again, func(s Setting, was string) { t.Errorf("%s=%s changed twice", s.Option.Name, was) })
	})
}

// The last section about a scan says what findings by CPE do. A project that may come from the
// base image cannot leave them out.
func TestCPE(t *testing.T) {
	p := parse(t, `
all: {cpe: list}
projects:
  shop/*: {cpe: fail}
  shop/web: {cpe: list}
tokens:
  strict: {cpe: fail}
`)
	for _, tt := range []struct {
		project, token  string
		line, inherited int
	}{
		{"", "", 2, 2}, {"other", "ci", 2, 2}, {"shop/api", "ci", 0, 0}, {"shop/web", "ci", 5, 0}, {"shop/web", "strict", 0, 0},
	} {
		if e, i := p.For(tt.project, tt.token), p.ForInherited(tt.project, tt.token); e.ListCPE != tt.line || i.ListCPE != tt.inherited {
			t.Errorf("%s %s: line %d, inherited %d; want %d, %d", tt.project, tt.token, e.ListCPE, i.ListCPE, tt.line, tt.inherited)
		}
	}
	if e := parse(t, "all: {}").For("", ""); e.ListCPE != 0 {
		t.Errorf("the default lists findings by CPE")
	}
}
