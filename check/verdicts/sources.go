package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/check/testkit/assayd"
	"assay/verdict"
)

// The sets of data that the comparison of sources uses.
const (
	osvOnly = iota // the records of the test data
	withOwn        // and those of the distributions' own sources
	ownOnly        // only the latter
	sets
)

// compareSources scans the package databases with the records of osv alone, with those of
// the distributions' own sources in addition, and with the latter alone. The report says by
// system which findings come from where, and what the own sources took away.
func compareSources(ctx context.Context, c config, tmp string) (err error) {
	mirrors, stop, err := serveFolder(c.mirrors)
	if err != nil {
		return err
	}
	defer stop()
	entries, err := os.ReadDir(c.mirrors)
	if err != nil {
		return err
	}
	var update []string
	for _, e := range entries {
		update = append(update, "--source", e.Name(), "--mirror", e.Name()+"="+mirrors+"/"+e.Name())
	}
	if len(update) == 0 {
		return fmt.Errorf("%q has no mirrors", c.mirrors)
	}
	var sides [sets]side
	for i := range sides {
		d := assayd.Config{Binary: filepath.Join(c.after, "assayd"), Data: filepath.Join(tmp, fmt.Sprint("data", i))}
		if i != ownOnly {
			if err := d.Import(ctx, c.records); err != nil {
				return err
			}
		}
		if i != osvOnly {
			out, err := d.Run(ctx, "update", update...)
			if err != nil {
				return err
			}
			if i == withOwn {
				fmt.Printf("%s\n", out)
			}
		}
		s, err := serveSide(ctx, c.after, d)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		sides[i] = s
	}
	r := sourcesReport{systems: map[string]*systemCounts{}}
	err = databases(ctx, c, tmp, func(ctx context.Context, name, root string) error {
		var answers [sets]result
		for i, s := range sides {
			if answers[i], err = s.scan(ctx, root); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return r.add(ctx, name, answers, sides[withOwn])
	})
	if err != nil {
		return err
	}
	return r.write(os.Stdout)
}

// serveFolder serves a folder on loopback.
func serveFolder(dir string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go srv.Serve(l) //nolint:errcheck // it ends with the program
	return "http://" + l.Addr().String(), func() { srv.Close() }, nil
}

// A sourcesReport has the counts of each system.
type sourcesReport struct {
	systems map[string]*systemCounts
	reasons groups // why a finding of osv alone is gone
	failed  []string
}

// systemCounts are the counts of the databases of one system, before with osv alone and
// after with the own source in addition.
type systemCounts struct {
	databases        int
	packages         int
	evaluated        [2]int
	findings         [2]int
	kernel           [2]int // findings of kernel packages, which are counted only
	unrated          [2]int
	both, osv, own   int // findings after, by the sets that have them alone
	removed, changed int
}

type findingKey struct{ id, purl, name, version string }

// keys returns the findings of a verdict by what they are about.
func keys(v verdict.Verdict) map[findingKey]verdict.Finding {
	all := make(map[findingKey]verdict.Finding, len(v.Findings))
	for _, f := range v.Findings {
		all[findingKey{f.ID, f.Package.PURL, f.Package.Name, f.Package.Version}] = f
	}
	return all
}

func (r *sourcesReport) add(ctx context.Context, name string, answers [sets]result, after side) error {
	for _, a := range answers {
		if a.err != "" {
			r.failed = append(r.failed, name+": "+a.err)
			return nil
		}
	}
	system := cmp.Or(answers[withOwn].verdict.System.Ecosystem, answers[osvOnly].verdict.System.Ecosystem, "no system")
	n := r.systems[system]
	if n == nil {
		n = &systemCounts{}
		r.systems[system] = n
	}
	n.databases++
	n.packages += answers[withOwn].verdict.Counts.Packages
	for i := range 2 {
		v := answers[i].verdict
		n.evaluated[i] += v.Counts.Evaluated
		n.findings[i] += len(v.Findings)
		n.kernel[i] += v.Counts.Kernel
		for _, f := range v.Findings {
			if f.Severity == verdict.Unrated {
				n.unrated[i]++
			}
		}
	}
	before, now, own := keys(answers[osvOnly].verdict), keys(answers[withOwn].verdict), keys(answers[ownOnly].verdict)
	for k, f := range now {
		old, inOSV := before[k]
		_, inOwn := own[k]
		switch {
		case inOSV && inOwn:
			n.both++
		case inOSV:
			n.osv++
		default:
			n.own++
		}
		if inOSV && (old.Fixed != f.Fixed || old.Severity != f.Severity || old.Rule != f.Rule) {
			n.changed++
		}
	}
	for k, f := range before {
		if _, ok := now[k]; ok {
			continue
		}
		n.removed++
		why, err := after.explain(ctx, answers[withOwn].verdict.Scan, f)
		if err != nil {
			return err
		}
		r.reasons.add(system+": "+why, fmt.Sprintf("%s %s %s in %s", f.ID, f.Package.Name, f.Package.Version, name))
	}
	return nil
}

// explain returns why a finding is not one of a scan: what became of the records of osv, or
// the sentence for the vulnerability.
func (s side) explain(ctx context.Context, scan string, f verdict.Finding) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/scans/"+scan+"/explain?id="+f.ID, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", errors.Join(err, fmt.Errorf("explain %s: %s: %.200s", f.ID, resp.Status, b))
	}
	var e struct {
		Reason  string `json:"reason"`
		Records []struct {
			Affected []struct {
				Packages []struct {
					Package verdict.Package `json:"package"`
					Outcome string          `json:"outcome"`
					Why     string          `json:"why"`
				} `json:"packages"`
			} `json:"affected"`
		} `json:"records"`
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return "", err
	}
	for _, record := range e.Records {
		for _, af := range record.Affected {
			for _, p := range af.Packages {
				_, because, ok := strings.Cut(p.Why, "; but ")
				if p.Outcome != "overruled" || !ok || p.Package.PURL != f.Package.PURL {
					continue
				}
				if _, source, ok := strings.Cut(because, "its source "); ok {
					because = "the source " + source
				}
				return because, nil
			}
		}
	}
	return e.Reason, nil
}

func (r *sourcesReport) write(w io.Writer) error {
	var b strings.Builder
	sum := &systemCounts{}
	b.WriteString("| system | databases | packages | evaluated | findings | of both | of osv only | of the own source only | gone | changed | unrated |\n" +
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, name := range slices.Sorted(maps.Keys(r.systems)) {
		n := r.systems[name]
		n.line(&b, name)
		sum.addAll(n)
	}
	sum.line(&b, "all")
	fmt.Fprintf(&b, "\nfindings of kernel packages in addition: %d -> %d\n", sum.kernel[0], sum.kernel[1])
	fmt.Fprintf(&b, "unrated: %.1f %% -> %.1f %% of the findings; packages not evaluated: %.1f %% -> %.1f %%\n",
		share(sum.unrated[0], sum.findings[0]), share(sum.unrated[1], sum.findings[1]),
		share(sum.packages-sum.evaluated[0], sum.packages), share(sum.packages-sum.evaluated[1], sum.packages))
	r.reasons.write(&b, "Findings of osv that are gone")
	if len(r.failed) > 0 {
		fmt.Fprintf(&b, "\nNot answered\n%s\n", strings.Join(r.failed, "\n"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func share(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(part) / float64(of)
}

func (n *systemCounts) line(b *strings.Builder, name string) {
	fmt.Fprintf(b, "| %s | %d | %d | %d -> %d | %d -> %d | %d | %d | %d | %d | %d | %d -> %d |\n", name, n.databases, n.packages,
		n.evaluated[0], n.evaluated[1], n.findings[0], n.findings[1], n.both, n.osv, n.own, n.removed, n.changed, n.unrated[0], n.unrated[1])
}

func (n *systemCounts) addAll(o *systemCounts) {
	n.databases += o.databases
	n.packages += o.packages
	for i := range 2 {
		n.evaluated[i] += o.evaluated[i]
		n.findings[i] += o.findings[i]
		n.kernel[i] += o.kernel[i]
		n.unrated[i] += o.unrated[i]
	}
	n.both += o.both
	n.osv += o.osv
	n.own += o.own
	n.removed += o.removed
	n.changed += o.changed
}
