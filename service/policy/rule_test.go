package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/match"
	"assay/verdict"
)

func TestRule(t *testing.T) {
	options := func(change func(*verdict.Options)) verdict.Options {
		o := verdict.DefaultOptions()
		if change != nil {
			change(&o)
		}
		return o
	}
	var (
		byDefault = options(nil)
		unfixed   = options(func(o *verdict.Options) { o.FailOnUnfixed = true })
		low       = options(func(o *verdict.Options) { o.FailOn = verdict.Low })
		critical  = options(func(o *verdict.Options) { o.FailOn = verdict.Critical })
		none      = options(func(o *verdict.Options) { o.FailOn = verdict.FailOnNone })
		lenient   = options(func(o *verdict.Options) { o.Unrated = verdict.Low })
		alarmed   = options(func(o *verdict.Options) { o.Unrated, o.FailOn = verdict.Critical, verdict.Critical })
		kernel    = options(func(o *verdict.Options) { o.Kernel = true })
		epss      = options(func(o *verdict.Options) { o.FailOn, o.FailOnEPSS = verdict.FailOnNone, 0.5 })
		both      = options(func(o *verdict.Options) { o.FailOn, o.FailOnEPSS = verdict.Critical, 0.6 })
		all       = options(func(o *verdict.Options) { o.FailOn, o.FailOnUnfixed = verdict.Negligible, true })
	)
	tests := []struct {
		finding string
		options verdict.Options
		rule    string
		fails   bool
	}{
		{"critical fixed", byDefault, "severity", true},
		{"high fixed", byDefault, "severity", true},
		{"medium fixed", byDefault, "below-threshold", false},
		{"low fixed", byDefault, "below-threshold", false},
		{"negligible fixed", byDefault, "below-threshold", false},
		{"critical", byDefault, "unfixed", false},
		{"medium", byDefault, "below-threshold", false},
		{"critical", unfixed, "severity", true},
		{"medium", unfixed, "below-threshold", false},
		{"low fixed", low, "severity", true},
		{"low", low, "unfixed", false},
		{"negligible fixed", low, "below-threshold", false},
		{"high fixed", critical, "below-threshold", false},
		{"critical fixed", critical, "severity", true},
		{"critical fixed", none, "below-threshold", false},

		{"unrated fixed", byDefault, "severity", true},
		{"unrated", byDefault, "unfixed", false},
		{"unrated fixed", lenient, "below-threshold", false},
		{"unrated fixed", critical, "below-threshold", false},
		{"unrated fixed", alarmed, "severity", true},
		{"unrated fixed", none, "below-threshold", false},

		{"low kev", byDefault, "known-exploited", true},
		{"unrated kev fixed", none, "known-exploited", true},
		{"low malicious", byDefault, "malicious", true},
		{"low malicious kev", none, "malicious", true},
		{"negligible malicious unimportant kernel", byDefault, "malicious", true},

		{"low fixed probable", byDefault, "below-threshold", false},
		{"low fixed probable", epss, "epss", true},
		{"low probable", epss, "unfixed", false},
		{"low probable subscription", epss, "needs-subscription", false},
		{"critical fixed", epss, "below-threshold", false},
		{"critical fixed", both, "severity", true},
		{"critical fixed probable", both, "severity", true},
		{"high fixed probable", both, "below-threshold", false},
		{"negligible unimportant fixed probable", epss, "unimportant", false},

		{"negligible unimportant fixed", byDefault, "unimportant", false},
		{"negligible unimportant fixed", all, "unimportant", false},
		{"negligible unimportant kev", byDefault, "unimportant", false},
		{"negligible wontfix", byDefault, "unimportant", false},
		{"critical wontfix", byDefault, "ignored-by-distribution", false},
		{"critical wontfix", all, "ignored-by-distribution", false},
		{"unrated unimportant kev", byDefault, "known-exploited", true},

		{"critical subscription", byDefault, "needs-subscription", false},
		{"medium subscription", byDefault, "below-threshold", false},
		{"critical subscription kev", byDefault, "known-exploited", true},
		{"critical subscription", unfixed, "severity", true},

		{"critical fixed owned", byDefault, "judged-by-distribution", false},
		{"critical fixed owned kev", all, "judged-by-distribution", false},
		{"critical fixed absent", byDefault, "not-in-program", false},
		{"critical fixed absent kev", all, "not-in-program", false},
		{"critical fixed absent malicious", byDefault, "malicious", true},
		{"critical fixed owned malicious", byDefault, "malicious", true},

		{"critical fixed kernel", byDefault, "kernel", false},
		{"critical fixed kernel kev", byDefault, "kernel", false},
		{"negligible kernel unimportant", byDefault, "kernel", false},
		{"critical fixed kernel", kernel, "severity", true},
		{"critical kernel", kernel, "unfixed", false},
		{"low fixed kernel kev", kernel, "known-exploited", true},
		{"negligible kernel unimportant", kernel, "unimportant", false},
	}
	for _, tt := range tests {
		if got, fails := rule(found(tt.finding), tt.options); got != tt.rule || fails != tt.fails {
			t.Errorf("%s with %+v: %s, fails %v; want %s, %v", tt.finding, tt.options, got, fails, tt.rule, tt.fails)
		}
	}
}

// A finding with a fix passes during the grace, which counts from the earlier one of the
// publication of the fix and the day on which the service first saw it.
func TestGrace(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	ago := func(days int) *time.Time {
		at := now.AddDate(0, 0, -days)
		return &at
	}
	dated := func(words string, seen, published *time.Time) match.Finding {
		f := found(words)
		f.FirstSeen, f.FixPublished = seen, published
		return f
	}
	tests := []struct {
		name    string
		finding match.Finding
		rule    string
		fails   bool
		until   string // empty without grounds
		reason  string
	}{
		{"first seen", dated("high fixed", ago(3), nil), "grace", false, "2026-12-03", "this service first saw the fix on 2026-11-26"},
		{"published before", dated("high fixed", ago(3), ago(5)), "grace", false, "2026-12-01", "the fix was published on 2026-11-24"},
		{"published after", dated("high fixed", ago(5), ago(3)), "grace", false, "2026-12-01", "this service first saw the fix on 2026-11-24"},
		{"only published", dated("high fixed", nil, ago(1)), "grace", false, "2026-12-05", "the fix was published on 2026-11-28"},
		{"at its end", dated("high fixed", ago(7), nil), "severity", true, "2026-11-29", "this service first saw the fix on 2026-11-22"},
		{"published long ago", dated("high fixed", ago(1), ago(400)), "severity", true, "2025-11-01", "the fix was published on 2025-10-25"},
		{"no day is known", found("high fixed"), "severity", true, "", ""},
		{"no fix", dated("high", ago(1), ago(1)), "severity", true, "", ""},
		{"known exploited", dated("high fixed kev", ago(1), ago(1)), "known-exploited", true, "", ""},
		{"malicious", dated("high fixed malicious", ago(1), ago(1)), "malicious", true, "", ""},
		{"below", dated("low fixed", ago(1), ago(1)), "below-threshold", false, "", ""},
		{"by EPSS", dated("low fixed probable", ago(1), nil), "grace", false, "2026-12-05", "this service first saw the fix on 2026-11-28"},
		{"tomorrow", dated("high fixed", nil, ago(-1)), "grace", false, "2026-12-07", "the fix was published on 2026-11-30"},
		{"future", dated("high fixed", ago(-2), ago(-3000)), "severity", true, "", ""},
		{"published in the future", dated("high fixed", ago(8), ago(-3000)), "severity", true, "2026-11-28", "this service first saw the fix on 2026-11-21"},
	}
	for _, tt := range tests {
		in := scanned(tt.finding)
		in.Now = now
		in.Options.Grace, in.Options.FailOnUnfixed, in.Options.FailOnEPSS = verdict.Seconds(7*24*3600), true, 0.5
		in.Data.Sources = []verdict.DataSource{{Name: "epss", Contributes: verdict.SourceEnrichment}}
		d, findings, _ := Decide(in)
		f := findings[0].Verdict()
		until := ""
		if f.Until != nil {
			until = f.Until.Format(time.DateOnly)
			if f.Written != "--grace 7d" {
				t.Errorf("%s: written in %q", tt.name, f.Written)
			}
		}
		if f.Rule != tt.rule || f.Fails != tt.fails || until != tt.until || f.Reason != tt.reason {
			t.Errorf("%s: %s, fails %t, until %s: %s; want %s, %t, %s: %s", tt.name, f.Rule, f.Fails, until, f.Reason, tt.rule, tt.fails, tt.until, tt.reason)
		}
		if pass := d.Outcome == verdict.Pass; pass == tt.fails {
			t.Errorf("%s: outcome %s", tt.name, d.Outcome)
		}
	}
}

// Without EPSS in the data, no finding can fail by it, so the answer is not trusted.
func TestNoScores(t *testing.T) {
	in := scanned(found("low fixed"))
	in.Options.FailOnEPSS = 0.5
	if d, _, _ := Decide(in); d.Code != verdict.CodeUntrusted || d.Reasons[0].Rule != verdict.RuleNoData {
		t.Errorf("%+v", d)
	}
	in.Data.Sources = []verdict.DataSource{{Name: "epss", Contributes: verdict.SourceEnrichment}}
	if d, _, _ := Decide(in); d.Code != verdict.CodePass {
		t.Errorf("with scores: %+v", d)
	}
	in.Data.Sources[0].Age, in.MaxAge = 3601, time.Hour
	in.Data.Updated = in.Now
	if d, _, _ := Decide(in); d.Code != verdict.CodeUntrusted || !slices.ContainsFunc(d.Reasons, func(r verdict.Reason) bool {
		return r.Rule == verdict.RuleTooOld && strings.Contains(r.Text, "EPSS")
	}) {
		t.Errorf("with old scores: %+v", d)
	}
}
