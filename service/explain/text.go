package explain

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"assay/verdict"
)

const width = 100

// WriteText writes an explanation for people, in lines of at most 100 columns.
func WriteText(w io.Writer, e Explanation) error {
	t := &text{}
	t.line(0, verdict.Clean(e.ID)+" in scan "+verdict.Clean(e.Scan)+": "+cleanLong(e.Reason))
	if others := slices.DeleteFunc(slices.Clone(e.Names), func(n string) bool { return n == e.ID }); len(others) > 0 {
		t.line(2, "also called "+cleanAll(others))
	}
	if e.KEV != "" {
		t.line(2, "known to be exploited: CISA listed it on "+e.KEV)
	}
	if e.EPSS > 0 {
		t.line(2, fmt.Sprintf("EPSS %.5f: the probability of exploitation within 30 days", e.EPSS))
	}
	t.line(2, fmt.Sprintf("decided with snapshot %s of %d records, %s old at the time", verdict.Clean(e.Data.Snapshot), e.Data.Records, verdict.Age(e.Data.Age)))
	if e.System.Ecosystem != "" {
		t.line(2, "the system is evaluated as "+verdict.Clean(e.System.Ecosystem))
	}
	for _, f := range e.Findings {
		t.finding(f)
	}
	for _, r := range e.Records {
		t.record(r)
	}
	if e.More > 0 {
		t.blank()
		t.line(0, fmt.Sprintf("... and %d more records", e.More))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

type text struct{ b strings.Builder }

func (t *text) blank() { t.b.WriteByte('\n') }

// line writes words and breaks lines between them. Lines after the first are indented by two
// more. A word that is too long for a line is broken too.
func (t *text) line(indent int, s string) {
	first := strings.Repeat(" ", indent)
	rest := first + "  "
	at := first
	for _, word := range strings.Fields(s) {
		for len(rest)+len(word) > width {
			if strings.TrimSpace(at) != "" {
				t.b.WriteString(at + "\n")
			}
			n := width - len(rest)
			t.b.WriteString(rest + word[:n] + "\n")
			at, word = rest, word[n:]
		}
		switch {
		case strings.TrimSpace(at) == "":
			at += word
		case len(at)+1+len(word) > width:
			t.b.WriteString(at + "\n")
			at = rest + word
		default:
			at += " " + word
		}
	}
	if strings.TrimSpace(at) != "" {
		t.b.WriteString(at + "\n")
	}
}

func (t *text) finding(f verdict.Finding) {
	t.blank()
	head := verdict.Clean(f.Package.Name) + " " + verdict.Clean(f.Package.Version)
	if f.Fixed != "" {
		head += " -> " + verdict.Clean(f.Fixed)
	} else if f.Subscription != "" {
		head += ", the fix needs " + verdict.Clean(f.Subscription)
	} else {
		head += ", no fix"
	}
	t.line(0, head)
	words := string(f.Severity)
	if f.SeveritySource != "" {
		words += ", rated by " + verdict.Clean(f.SeveritySource)
	}
	if f.Score > 0 {
		words += fmt.Sprintf(", score %.1f", f.Score)
	}
	switch f.Origin {
	case verdict.OriginBase:
		words += ", from the base image"
	case verdict.OriginOwn:
		words += ", in what the build adds"
	}
	fails, grounds := "does not fail", f.Grounds
	if f.Fails { // until names the end of a grace or of an exception that no longer counts
		fails, grounds.Until = "fails", nil
	}
	t.line(2, fmt.Sprintf("%s; %s by the rule %q%s", words, fails, f.Rule, grounds.Text()))
	for _, why := range strings.Split(f.Why, "; ") {
		t.line(2, cleanLong(why))
	}
	if f.FirstSeen != nil {
		t.line(2, "this service first saw the fix on "+f.FirstSeen.UTC().Format(time.DateOnly))
	}
}

func (t *text) record(r Record) {
	t.blank()
	head := verdict.Clean(r.ID) + ", modified " + r.Modified.Format(time.DateOnly)
	switch r.State {
	case StateWithdrawn:
		head += ", withdrawn " + r.Withdrawn.Format(time.DateOnly)
	case StateRemoved:
		head += ", no longer in its source"
	case StateLater:
		head += ", came after the scan"
	}
	if r.Related != "" {
		head += ", names " + verdict.Clean(r.Related) + " as related"
	}
	if r.Changed {
		head += ", has changed since the scan"
	}
	t.line(0, head)
	from := "from " + verdict.Clean(r.Source)
	if r.SourceUpdated != nil {
		from += ", last reached " + verdict.Age(r.SourceAge) + " ago"
	}
	t.line(2, from)
	if r.Summary != "" {
		t.line(2, cleanLong(r.Summary))
	}
	for _, a := range r.Affected {
		t.line(2, verdict.Clean(a.Ecosystem)+" "+verdict.Clean(a.Name)+": "+a.extent())
		for _, p := range a.Packages {
			name := verdict.Clean(p.Package.Name) + " " + verdict.Clean(p.Package.Version)
			if p.Package.Source != "" && p.Package.Source != p.Package.Name {
				name += " (source " + verdict.Clean(p.Package.Source) + ")"
			}
			t.line(4, name+": "+strings.ReplaceAll(p.Outcome, "-", " "))
			for _, why := range strings.Split(p.Why, "; ") {
				t.line(6, cleanLong(why))
			}
		}
	}
	if r.ElsewhereCount > 0 {
		s := "not in this image: " + cleanAll(r.Elsewhere)
		if more := r.ElsewhereCount - len(r.Elsewhere); more > 0 {
			s += fmt.Sprintf(" and %d more", more)
		}
		t.line(2, s)
	}
}

// extent returns the versions that an entry affects, as in the record.
func (a Affected) extent() string {
	var parts []string
	for _, r := range a.Ranges {
		var events []string
		for _, e := range r.Events {
			word, version := bound(e)
			if word == "introduced" && version == "0" {
				events = append(events, "from the first version")
				continue
			}
			events = append(events, word+" "+verdict.Clean(version))
		}
		s := strings.Join(events, ", ")
		if r.Type == "GIT" {
			s += " (commits, which no package is compared with)"
		}
		parts = append(parts, s)
	}
	if a.VersionCount > 0 {
		s := "versions " + cleanAll(a.Versions)
		if more := a.VersionCount - len(a.Versions); more > 0 {
			s += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return "nothing that could be compared"
	}
	return strings.Join(parts, "; ")
}

func cleanAll(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = verdict.Clean(s)
	}
	return strings.Join(out, ", ")
}

// cleanLong returns the words of a sentence, each cleaned.
func cleanLong(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = verdict.Clean(w)
	}
	return strings.Join(words, " ")
}
