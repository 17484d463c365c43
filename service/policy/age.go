package policy

import (
	"fmt"
	"slices"
	"time"

	"assay/service/exploit"
	"assay/service/match"
	"assay/verdict"
)

// A Source is a source of data in the store.
type Source struct {
	verdict.DataSource
	// Imported: it was imported from files, and is not updated from a publisher.
	Imported bool
}

// Oldest returns when the oldest of the sources with advisories that are updated was last
// updated. ok is false if there is none.
func Oldest(sources []Source) (at time.Time, ok bool) {
	for _, s := range sources {
		if s.Contributes == verdict.SourceAdvisories && !s.Imported && (!ok || s.Updated.Before(at)) {
			at, ok = s.Updated, true
		}
	}
	return at, ok
}

// Needed returns data with the sources that the image needs, and their ages. A part of the
// image whose ecosystems no updated source has needs the newest import.
func Needed(data verdict.Data, res match.Result, sources []Source, now time.Time) verdict.Data {
	if len(sources) == 0 {
		return data
	}
	imported := -1
	for i, s := range sources {
		if s.Imported && (imported < 0 || s.Updated.After(sources[imported].Updated)) {
			imported = i
		}
	}
	needed := make(map[int][]string) // by the index of the source
	for _, ecosystems := range res.Needs {
		for _, e := range ecosystems {
			found := false
			for i, s := range sources {
				if !s.Imported && s.Contributes == verdict.SourceAdvisories && slices.Contains(s.Ecosystems, e) {
					needed[i] = append(needed[i], e)
					found = true
				}
			}
			if !found && imported >= 0 {
				needed[imported] = append(needed[imported], e)
			}
		}
	}
	data.Sources = nil
	first := true
	for i, s := range sources {
		ecosystems, ok := needed[i]
		if !ok && s.Contributes != verdict.SourceEnrichment {
			continue
		}
		slices.Sort(ecosystems)
		d := s.DataSource
		d.Ecosystems = slices.Compact(ecosystems)
		d.Age = int64(now.Sub(d.Updated) / time.Second)
		data.Sources = append(data.Sources, d)
		if ok && (first || d.Updated.Before(data.Updated)) {
			data.Updated, first = d.Updated, false
		}
	}
	return data
}

// old returns the sources with advisories that are older than MaxAge or dated in the
// future, but not those that only ecosystems need for which the service may lack
// advisories.
func (in Input) old() []verdict.DataSource {
	var old []verdict.DataSource
	if in.MaxAge <= 0 {
		return nil
	}
	for _, s := range in.Data.Sources {
		accepted := !slices.ContainsFunc(s.Ecosystems, func(e string) bool { return !slices.Contains(in.Without, e) })
		if s.Contributes != verdict.SourceAdvisories || accepted {
			continue
		}
		if s.Updated.IsZero() || s.Age > int64(in.MaxAge/time.Second) || -s.Age > int64(verdict.ClockSkew/time.Second) {
			old = append(old, s)
		}
	}
	return old
}

// noScores returns a reason if a finding may fail by its EPSS, and the service has none, so
// that all of them would pass, or one that is older than MaxAge, so that new ones would.
func noScores(in Input) []verdict.Reason {
	base := in.Baseline != nil && in.Options.FailOnBaseEPSS > 0
	if in.Options.FailOnEPSS <= 0 && !base {
		return nil
	}
	i := slices.IndexFunc(in.Data.Sources, func(s verdict.DataSource) bool {
		return s.Name == string(exploit.EPSS) && s.Contributes == verdict.SourceEnrichment
	})
	if i >= 0 {
		age, most := in.Data.Sources[i].Age, int64(in.MaxAge/time.Second)
		if in.MaxAge <= 0 || age <= most {
			return nil
		}
		return []verdict.Reason{{
			Rule: verdict.RuleTooOld,
			Text: fmt.Sprintf("the EPSS, which --fail-on names, is %s old, and at most %s is trusted", ageWords(age), ageWords(most)),
			Hint: "ask the owner of the service to run assayd update",
		}}
	}
	return []verdict.Reason{{
		Rule: verdict.RuleNoData,
		Text: "the service has no EPSS, the probability of exploitation that --fail-on names",
		Hint: "assayd update --source epss fetches EPSS; or leave epss= out of --fail-on",
	}}
}

// markOld marks the parts that need old sources as not evaluated.
func markOld(in Input, parts []verdict.Part) {
	for _, s := range in.old() {
		for i := range parts {
			p := &parts[i]
			needs := slices.ContainsFunc(in.Result.Needs[p.Type], func(e string) bool { return slices.Contains(s.Ecosystems, e) })
			if !needs || p.Evaluated == 0 {
				continue
			}
			cause := verdict.PartCause{Cause: verdict.CauseOld, Packages: p.Evaluated, Text: "the advisories of " + s.Name + " are too old"}
			p.Causes = append(slices.Clone(p.Causes), cause)
			p.Evaluated = 0
			p.State = p.StateOf()
		}
	}
}

// updateHint says what to do about old data. A build may have asked for less than the service
// trusts.
func (in Input) updateHint() string {
	const update = "ask the owner of the service to run assayd update"
	if asked := in.Options.MaxAge.Duration(); asked > 0 && asked == in.MaxAge {
		return update + ", or give a longer max-age than " + in.Options.MaxAge.String()
	}
	return update
}

// tooOld returns a reason if the data that the image needs is older than MaxAge, or its
// age is unknown.
func tooOld(in Input) []verdict.Reason {
	if in.MaxAge <= 0 {
		return nil
	}
	limit := ageWords(int64(in.MaxAge / time.Second))
	reason := func(text, hint string) []verdict.Reason {
		return []verdict.Reason{{Rule: verdict.RuleTooOld, Text: text, Hint: hint}}
	}
	what, age, ahead, unknown := "the advisories", in.Data.Age, int64(in.Ahead/time.Second), in.Data.Updated.IsZero()
	if slices.ContainsFunc(in.Data.Sources, func(s verdict.DataSource) bool { return s.Contributes == verdict.SourceAdvisories }) {
		old := in.old()
		if len(old) == 0 {
			return nil
		}
		names := make([]string, len(old))
		age, ahead, unknown = 0, 0, false
		for i, s := range old {
			names[i] = s.Name
			age, ahead, unknown = max(age, s.Age), max(ahead, -s.Age), unknown || s.Updated.IsZero()
		}
		what += " of " + some(names)
	}
	switch {
	case ahead > int64(verdict.ClockSkew/time.Second):
		return reason(fmt.Sprintf("%s are dated %s in the future, so their age is unknown", what, verdict.Age(ahead)),
			"set the clock of the service, and update its advisories")
	case unknown:
		return reason(fmt.Sprintf("the age of %s is unknown, and at most %s is trusted", what, limit), "ask the owner of the service to run assayd update")
	case age > int64(in.MaxAge/time.Second):
		return reason(fmt.Sprintf("%s are %s old, and at most %s is trusted", what, ageWords(age), limit), in.updateHint())
	}
	return nil
}

// TooOld says why data that Needed has returned is not trusted because of its age, or returns
// an empty string. The service may lack advisories for the ecosystems in without.
func TooOld(data verdict.Data, maxAge time.Duration, without []string, now time.Time) string {
	in := Input{Data: data, MaxAge: maxAge, Without: without, Now: now}
	if !data.Updated.IsZero() {
		in.Data.Age, in.Ahead = int64(now.Sub(data.Updated)/time.Second), data.Updated.Sub(now)
	}
	for _, r := range tooOld(in) {
		return r.Text
	}
	return ""
}
