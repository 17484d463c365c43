package sarif

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"assay/service/report"
	"assay/verdict"
)

const (
	maxText     = 1000 // runes of a text; GitHub shows 1,024
	maxName     = 200  // of a name or a version
	maxPackages = 20   // that the help of a rule names
)

// identity returns the id of the vulnerability of a finding.
func identity(f verdict.Finding) string { return cmp.Or(report.Line(f.ID, maxName), "unknown") }

// A vulnerability is what the findings of one vulnerability say, the worst of them first.
type vulnerability struct {
	id                   string
	worst                verdict.Finding
	unrated              verdict.Severity // what unrated counts as
	summary              string
	aliases, types       []string
	packages             []string // "openssl 3.0.11-1, fixed in 3.0.13-1"
	more                 int      // further packages
	fails                bool
	exploited, malicious bool
}

// vulnerabilities returns the vulnerabilities of a verdict by id.
func vulnerabilities(v verdict.Verdict) map[string]*vulnerability {
	all := map[string]*vulnerability{}
	for _, f := range v.Findings {
		id := identity(f)
		about := all[id]
		if about == nil {
			about = &vulnerability{id: id, worst: f, unrated: v.Options.Unrated}
			all[id] = about
		}
		if f.Severity.Rank() < about.worst.Severity.Rank() {
			about.worst = f
		}
		about.summary = cmp.Or(about.summary, f.Summary)
		about.fails = about.fails || f.Fails
		about.exploited = about.exploited || f.KnownExploited
		about.malicious = about.malicious || f.Malicious
		if t := report.Line(f.Package.Type, maxName); t != "" && !slices.Contains(about.types, t) && len(about.types) < 5 {
			about.types = append(about.types, t)
		}
		for _, a := range f.Aliases {
			if !slices.Contains(about.aliases, a) && len(about.aliases) < maxPackages {
				about.aliases = append(about.aliases, a)
			}
		}
		if len(about.packages) == maxPackages {
			about.more++
			continue
		}
		about.packages = append(about.packages, packageText(f))
	}
	return all
}

func packageText(f verdict.Finding) string {
	text := f.Package.Name + " " + f.Package.Version
	switch {
	case f.Fixed != "":
		text += ", fixed in " + f.Fixed
	case f.Subscription != "":
		text += ", the fix needs " + f.Subscription
	default:
		text += ", no fix"
	}
	return text
}

func (v *vulnerability) rule() rule {
	title := v.id
	if v.summary != "" {
		title += ": " + v.summary
	}
	level := "warning"
	if v.fails {
		level = "error"
	}
	_, page := report.Page(v.id)
	r := rule{
		ID:               v.id,
		ShortDescription: text{Text: plain(title, maxText)},
		FullDescription:  text{Text: plain(cmp.Or(v.summary, title), maxText)},
		HelpURI:          page,
		Default:          configuration{level},
	}
	r.Help = v.help(r.HelpURI)
	r.Properties = ruleProperties{SecuritySeverity: v.securitySeverity(), Tags: v.tags()}
	return r
}

// help returns the text of a rule as plain text and as Markdown.
func (v *vulnerability) help(uri string) text {
	facts := [][2]string{{"Severity", v.severityText()}}
	if v.exploited {
		facts = append(facts, [2]string{"Exploited", "known to be exploited"})
	}
	if v.malicious {
		facts = append(facts, [2]string{"Malicious", "the package is malicious: remove it"})
	}
	if len(v.aliases) > 0 {
		facts = append(facts, [2]string{"Also known as", strings.Join(v.aliases, ", ")})
	}
	var t, m strings.Builder
	t.WriteString(plain(v.summary, maxText))
	m.WriteString(report.Markdown(v.summary, maxText))
	for _, f := range facts {
		fmt.Fprintf(&t, "\n%s: %s", f[0], plain(f[1], maxText))
		fmt.Fprintf(&m, "\n\n**%s**: %s", f[0], report.Markdown(f[1], maxText))
	}
	t.WriteString("\nPackages:")
	m.WriteString("\n\n**Packages**:\n")
	for _, p := range v.packages {
		fmt.Fprintf(&t, "\n- %s", plain(p, 2*maxName))
		fmt.Fprintf(&m, "\n- %s", report.Markdown(p, 2*maxName))
	}
	if v.more > 0 {
		fmt.Fprintf(&t, "\n- and %d more", v.more)
		fmt.Fprintf(&m, "\n- and %d more", v.more)
	}
	fmt.Fprintf(&m, "\n\n[%s](%s)", report.Markdown(v.id, maxName), uri)
	return text{Text: strings.TrimLeft(t.String(), "\n"), Markdown: strings.TrimLeft(m.String(), "\n")}
}

func (v *vulnerability) severityText() string {
	text := string(v.worst.Severity)
	if v.worst.Severity == verdict.Unrated && v.unrated != "" {
		text += ", counted as " + string(v.unrated)
	}
	if v.worst.Score > 0 {
		text += fmt.Sprintf(", CVSS %.1f", v.worst.Score)
	}
	if v.worst.SeveritySource != "" {
		text += " (" + v.worst.SeveritySource + ")"
	}
	return text
}

// securitySeverity returns the number from which GitHub takes the severity of an alert: the
// CVSS score, if it belongs to the severity of the verdict, or else one of that severity. It
// is empty, so that the level counts, if there is no severity.
func (v *vulnerability) securitySeverity() string {
	s := v.worst.Severity
	if s == verdict.Unrated {
		s = v.unrated
	}
	low, high, usual := 0.0, 0.0, 0.0
	switch s {
	case verdict.Critical:
		low, high, usual = 9.0, 10, 9.5
	case verdict.High:
		low, high, usual = 7.0, 8.9, 8.0
	case verdict.Medium:
		low, high, usual = 4.0, 6.9, 5.5
	case verdict.Low:
		low, high, usual = 0.1, 3.9, 2.0
	case verdict.Negligible:
		low, high, usual = 0.1, 0.1, 0.1
	default:
		return ""
	}
	if score := v.worst.Score; low <= score && score <= high {
		usual = score
	}
	return strconv.FormatFloat(usual, 'f', 1, 64)
}

func (v *vulnerability) tags() []string {
	tags := []string{"security", "vulnerability"}
	if s := v.worst.Severity; s != "" {
		tags = append(tags, report.Line(string(s), maxName))
	}
	if v.exploited {
		tags = append(tags, "known-exploited")
	}
	if v.malicious {
		tags = append(tags, "malicious")
	}
	tags = append(tags, v.types...)
	slices.Sort(tags[2:])
	return slices.Compact(tags)
}
