package policy

import (
	"strings"
	"testing"
	"time"

	"assay/service/match"
	"assay/verdict"
)

// An old source makes the parts that need it not evaluated, and no others.
func TestOldSources(t *testing.T) {
	now := time.Date(2026, 12, 10, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	source := func(name string, age time.Duration, contributes string, ecosystems ...string) Source {
		return Source{DataSource: verdict.DataSource{Name: name, Contributes: contributes, Updated: now.Add(-age), Ecosystems: ecosystems}}
	}
	imported := func(name string, age time.Duration) Source {
		s := source(name, age, verdict.SourceAdvisories)
		s.Imported = true
		return s
	}
	debian := source("osv:Debian", day, verdict.SourceAdvisories, "Debian")
	npm := source("osv:npm", day, verdict.SourceAdvisories, "npm")
	result := match.Result{
		Packages: 5,
		Parts: []verdict.Part{
			{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12", Packages: 3, Evaluated: 3, State: verdict.Evaluated},
			{Part: verdict.PartLanguage, Type: "npm", Ecosystem: "npm", Packages: 2, Evaluated: 2, State: verdict.Evaluated},
		},
		Needs: map[string][]string{"deb": {"Debian"}, "npm": {"npm"}},
	}
	for _, tt := range []struct {
		name    string
		sources []Source
		without []string
		old     string // the types of the parts that are not evaluated
		text    string // in the reason
		needed  string // the names of the sources of the verdict
	}{
		{"all new", []Source{debian, npm}, nil, "", "", "osv:Debian osv:npm"},
		{"npm is old", []Source{debian, source("osv:npm", 9*day, verdict.SourceAdvisories, "npm")}, nil, "npm", "the advisories of osv:npm are 9 days old", "osv:Debian osv:npm"},
		{"npm is old, and the service may lack it", []Source{debian, source("osv:npm", 9*day, verdict.SourceAdvisories, "npm")}, []string{"npm"}, "", "", "osv:Debian osv:npm"},
		{"Debian is old", []Source{source("osv:Debian", 9*day, verdict.SourceAdvisories, "Debian"), npm}, nil, "deb", "the advisories of osv:Debian are 9 days old", "osv:Debian osv:npm"},
		{"both are old", []Source{source("osv:Debian", 8*day, verdict.SourceAdvisories, "Debian"), source("osv:npm", 9*day, verdict.SourceAdvisories, "npm")}, nil, "deb npm", "osv:Debian; osv:npm are 9 days old", "osv:Debian osv:npm"},
		{"a source of the future", []Source{debian, source("osv:npm", -day, verdict.SourceAdvisories, "npm")}, nil, "npm", "osv:npm are dated 24 hours in the future", "osv:Debian osv:npm"},
		{"an old source that the image does not need", []Source{debian, npm, source("osv:PyPI", 90*day, verdict.SourceAdvisories, "PyPI")}, nil, "", "", "osv:Debian osv:npm"},
		{"an old enrichment", []Source{debian, npm, source("epss", 90*day, verdict.SourceEnrichment)}, nil, "", "", "osv:Debian osv:npm epss"},
		{"two sources, one of them old", []Source{debian, npm, source("own", 9*day, verdict.SourceAdvisories, "npm", "PyPI")}, nil, "npm", "own are 9 days old", "osv:Debian osv:npm own"},
		{"an old import beside feeds", []Source{debian, npm, imported("import", 90*day)}, nil, "", "", "osv:Debian osv:npm"},
		{"an old import that npm needs", []Source{debian, imported("import", 90*day)}, nil, "npm", "the advisories of import are 90 days old", "osv:Debian import"},
		{"of two imports the new one counts", []Source{debian, imported("import", 90*day), imported("other", day)}, nil, "", "", "osv:Debian other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, _, err := Options(nil, Allow{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			data := Needed(verdict.Data{Records: 9, Updated: now.Add(-90 * day)}, result, tt.sources, now)
			data.Age = max(0, int64(now.Sub(data.Updated)/time.Second))
			var names []string
			for _, s := range data.Sources {
				names = append(names, s.Name)
			}
			if got := strings.Join(names, " "); got != tt.needed {
				t.Errorf("the verdict has the sources %q, want %q", got, tt.needed)
			}
			in := Input{Result: result, Data: data, MaxAge: 7 * day, Ahead: data.Updated.Sub(now), Options: o, Without: tt.without}
			decision, _, counts := Decide(in)
			var old []string
			evaluated := 0
			for _, p := range Evaluated(in) {
				evaluated += p.Evaluated
				if p.Evaluated == 0 {
					old = append(old, p.Type)
					if p.State != verdict.NotEvaluated || len(p.Causes) != 1 || p.Causes[0].Cause != verdict.CauseOld || p.Causes[0].Packages != p.Packages {
						t.Errorf("%+v", p)
					}
				}
			}
			if got := strings.Join(old, " "); got != tt.old || counts.Evaluated != evaluated {
				t.Errorf("not evaluated: %q, want %q; %d evaluated, %d by the counts", got, tt.old, evaluated, counts.Evaluated)
			}
			if tt.old == "" {
				if decision.Code != 0 {
					t.Errorf("%+v", decision)
				}
				return
			}
			if len(decision.Reasons) != 1 || decision.Code != 5 || decision.Reasons[0].Rule != verdict.RuleTooOld || !strings.Contains(decision.Reasons[0].Text, tt.text) {
				t.Errorf("%+v, want %q", decision, tt.text)
			}
			if result.Parts[0].Evaluated != 3 || result.Parts[1].Evaluated != 2 {
				t.Error("the result was changed")
			}
		})
	}
}

func TestUpdateHint(t *testing.T) {
	o := verdict.DefaultOptions()
	for asked, want := range map[verdict.Seconds]string{0: "update", 3600: "update, or give a longer max-age than 1h", 7200: "update"} {
		o.MaxAge = asked
		if got := (Input{Options: o, MaxAge: time.Hour}).updateHint(); !strings.HasSuffix(got, "assayd "+want) {
			t.Errorf("%s: %q", asked, got)
		}
	}
}

// Two ages that are compared are not both "less than a minute".
func TestAgeWords(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0 seconds", 1: "1 second", 59: "59 seconds", 90: "90 seconds", 120: "2 minutes", 7200: "2 hours"} {
		if got := ageWords(seconds); got != want {
			t.Errorf("%d: %q", seconds, got)
		}
	}
}
