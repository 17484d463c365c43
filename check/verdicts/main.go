// Verdicts scans the package databases of the test data, and any root, with two
// releases of assay and assayd, and prints what differs: the decisions, and the
// findings in groups. It decides nothing: people say why each group is right.
//
// With -mirrors it compares the data instead: the records of osv alone, and with those of
// the distributions' own sources. The tests of these sources write the mirrors of their
// genuine documents:
//
//	ASSAY_MIRRORS=DIR go test -count 1 ./service/feed/...
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"assay/check/inventories"
	"assay/check/testkit/assayd"
	"assay/check/testkit/pkgdb"
	"assay/check/testkit/program"
	"assay/verdict"
)

type config struct {
	before, after, testdata, records, mirrors string
	roots                                     []string
	popular                                   bool
	serve                                     string
}

func main() {
	var c config
	flag.StringVar(&c.before, "before", "", "`folder` of assay and assayd of the earlier release")
	flag.StringVar(&c.after, "after", "dist", "`folder` of assay and assayd of the later release")
	flag.StringVar(&c.records, "records", "", "`folder` of the advisories; default osv of the test data")
	flag.StringVar(&c.mirrors, "mirrors", "", "`folder` with mirrors of distributions' own sources by their names; compares the data, not two releases")
	flag.StringVar(&c.serve, "serve", "", "more `flags` of the later assayd serve, separated by spaces")
	flag.BoolVar(&c.popular, "popular", false, "post the inventories of popular images too")
	program.TestData(&c.testdata, "")
	program.Roots(&c.roots, "`folder` to scan beside the databases")
	program.Main("verdicts", func(ctx context.Context) error { return run(ctx, c) })
}

// A side is one of the two releases, serving.
type side struct {
	assay, token string
	*assayd.Server
}

func run(ctx context.Context, c config) (err error) {
	if c.before == "" && c.mirrors == "" {
		return errors.New("-before is missing")
	}
	if c.records == "" {
		c.records = filepath.Join(c.testdata, "osv")
	}
	tmp, err := os.MkdirTemp("", "assay-verdicts")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if c.mirrors != "" {
		return compareSources(ctx, c, tmp)
	}

	var sides [2]side
	for i, dir := range [2]string{c.before, c.after} {
		d := assayd.Config{Binary: filepath.Join(dir, "assayd"), Data: filepath.Join(tmp, fmt.Sprint("data", i))}
		if i == 1 {
			d.Flags = strings.Fields(c.serve)
		}
		if err := d.Import(ctx, c.records); err != nil {
			return err
		}
		s, err := serveSide(ctx, dir, d)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		sides[i] = s
	}

	var r report
	scan := func(ctx context.Context, name, root string) error { return scanRoot(ctx, name, root, sides, &r) }
	if err := databases(ctx, c, tmp, scan); err != nil {
		return err
	}
	for _, root := range c.roots {
		if err := scan(ctx, root, root); err != nil {
			return err
		}
	}
	if c.popular {
		if err := popular(ctx, c, sides, &r); err != nil {
			return err
		}
	}
	return r.write(os.Stdout)
}

// serveSide starts the assayd in dir with its data.
func serveSide(ctx context.Context, dir string, d assayd.Config) (s side, err error) {
	s.assay = filepath.Join(dir, "assay")
	if s.token, err = d.NewToken(ctx, "verdicts"); err != nil {
		return s, err
	}
	s.Server, err = d.Serve(ctx)
	return s, err
}

// databases calls scan with the root of each package database of the test data.
func databases(ctx context.Context, c config, tmp string, scan func(ctx context.Context, name, root string) error) error {
	all, err := pkgdb.All(filepath.Join(c.testdata, "pkgdb"))
	if err != nil {
		return err
	}
	for _, d := range all {
		root := filepath.Join(tmp, d.Kind, d.Name)
		if err := d.Lay(root); err != nil {
			return err
		}
		if err := nameSystem(root, d); err != nil {
			return err
		}
		if err := scan(ctx, d.String(), root); err != nil {
			return err
		}
	}
	return nil
}

// nameSystem writes the os-release of the system that a database comes from, by its
// release package; most databases come without one.
func nameSystem(root string, d pkgdb.Database) error {
	path := filepath.Join(root, "etc/os-release")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	text := map[string]string{"dpkg": "ID=debian\nVERSION_ID=12\n", "apk": "ID=alpine\nVERSION_ID=3.11.6\n", "rpm": "ID=centos\nVERSION_ID=8\n"}[d.Kind]
	for _, s := range [...]struct{ prefix, text string }{
		{"dpkg/claircore-", "ID=debian\nVERSION_ID=10\n"},
		{"dpkg/claircore-texlive", "ID=ubuntu\nVERSION_ID=18.04\n"},
		{"dpkg/trivy-valid", "ID=ubuntu\nVERSION_ID=18.04\n"},
		{"dpkg/distroless-base-debian10", "ID=debian\nVERSION_ID=10\n"},
		{"apk/alpine-3.10", "ID=alpine\nVERSION_ID=3.10.9\n"},
		{"rpm/cbl-mariner2", "ID=mariner\nVERSION_ID=2.0\n"},
		{"rpm/centos5", "ID=centos\nVERSION_ID=5\n"},
		{"rpm/centos6", "ID=centos\nVERSION_ID=6\n"},
		{"rpm/centos7", "ID=centos\nVERSION_ID=7\n"},
		{"rpm/fedora", "ID=fedora\nVERSION_ID=35\n"},
		{"rpm/damaged-nonsense-block-ndb", "ID=opensuse-leap\nVERSION_ID=15.4\n"},
		{"rpm/opensuse-claircore-ndb", "ID=sles\nVERSION_ID=15.4\n"},
		{"rpm/unreadable-ndb", "ID=sles\nVERSION_ID=15.3\n"},
		{"rpm/sle15", "ID=sles\nVERSION_ID=15.3\n"},
		{"rpm/rocky", "ID=rocky\nVERSION_ID=9.2\n"},
		{"rpm/ubi8", "ID=rhel\nVERSION_ID=8.6\n"},
	} {
		if strings.HasPrefix(d.String(), s.prefix) {
			text = s.text
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// scanRoot scans a root with both releases, each with its own inventory of it.
func scanRoot(ctx context.Context, name, root string, sides [2]side, r *report) error {
	var answers [2]result
	for i, s := range sides {
		var err error
		if answers[i], err = s.scan(ctx, root); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	r.add(name, answers)
	return nil
}

// scan makes the inventory of a root and scans it.
func (s side) scan(ctx context.Context, root string) (r result, err error) {
	out, err := exec.CommandContext(ctx, s.assay, "inventory", "--root", root).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(out) == 0 {
		return result{err: fmt.Sprintf("inventory: code %d: %.200s", exit.ExitCode(), exit.Stderr)}, nil
	}
	return s.post(ctx, out)
}

func popular(ctx context.Context, c config, sides [2]side, r *report) error {
	all, err := inventories.All(c.testdata)
	if err != nil {
		return err
	}
	for _, i := range all {
		doc, err := i.Document()
		if err != nil {
			return err
		}
		var answers [2]result
		for j, s := range sides {
			if answers[j], err = s.post(ctx, doc); err != nil {
				return fmt.Errorf("%s: %w", i.Image, err)
			}
		}
		r.addQuiet(i.Tool+" "+i.Image, answers)
	}
	return nil
}

// A result is the verdict, or the answer where there is none.
type result struct {
	verdict verdict.Verdict
	err     string
}

func (s side) post(ctx context.Context, doc []byte) (r result, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/scans", bytes.NewReader(doc))
	if err != nil {
		return r, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/vnd.cyclonedx+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return r, err
	}
	if resp.StatusCode != http.StatusOK {
		r.err = fmt.Sprintf("%s: %.300s", resp.Status, body)
		return r, nil
	}
	return r, json.Unmarshal(body, &r.verdict)
}
