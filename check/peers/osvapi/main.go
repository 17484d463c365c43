// Osvapi runs osv-scanner twice on the same packages: with the API of OSV that assayd serves,
// through a proxy that terminates TLS as api.osv.dev, and without a network, with the same
// advisories. osv-scanner is not changed and does not know that it asks assayd.
//
// Osvapi fails if the findings differ, unless assay evaluates the entry that makes the
// difference by more than the schema, on purpose (docs/osv-api.md).
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/check/peers"
	"assay/check/testkit/program"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
)

func main() {
	var c config
	flag.StringVar(&c.assayd, "assayd", "dist/assayd", "the `program` that answers")
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the tools that it builds")
	flag.IntVar(&c.packages, "packages", 150, "compare at most `N` packages of each type")
	program.TestData(&c.testdata, "")
	program.Main("osvapi", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	assayd, tools, testdata string
	packages                int
}

// ecosystems are those of the test data whose packages osv-scanner reads from a document, by
// purl type.
var ecosystems = map[string]string{
	"apk": "Alpine", "cargo": "crates.io", "composer": "Packagist", "deb": "Debian", "gem": "RubyGems", "golang": "Go", "maven": "Maven", "pypi": "PyPI",
}

func run(ctx context.Context, c config) (err error) {
	tmp, err := os.MkdirTemp("", "assay-osvapi")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	scanner, err := peers.OSVScanner(ctx, c.tools)
	if err != nil {
		return err
	}
	var folders []string
	local := filepath.Join(tmp, "osv-scalibr") // the name that osv-scanner expects
	if err := os.Mkdir(local, 0o755); err != nil {
		return err
	}
	for _, e := range slices.Sorted(maps.Values(ecosystems)) {
		folder, err := filepath.Abs(filepath.Join(c.testdata, "osv", e))
		if err != nil {
			return err
		}
		folders = append(folders, folder)
		if err := os.Symlink(folder, filepath.Join(local, e)); err != nil {
			return err
		}
	}
	known, err := readRecords(folders)
	if err != nil {
		return err
	}
	bom := filepath.Join(tmp, "packages.cdx.json")
	if err := writeDocument(bom, c, known); err != nil {
		return err
	}
	address, stop, err := serve(ctx, c.assayd, tmp, folders)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	proxy, err := newProxy("http://"+address, filepath.Join(tmp, "ca.pem"))
	if err != nil {
		return err
	}
	defer proxy.close()

	args := []string{"scan", "source", "--format=json", "--verbosity=error", "--all-packages", "--all-vulns",
		"--experimental-no-default-plugins", "--experimental-plugins=sbom/cdx", "--no-resolve", "--lockfile=" + bom}
	offline, err := scan(ctx, scanner, nil, append(slices.Clone(args), "--offline", "--local-db-path="+tmp))
	if err != nil {
		return fmt.Errorf("without a network: %w", err)
	}
	online, err := scan(ctx, scanner, []string{"HTTPS_PROXY=" + proxy.url(), "SSL_CERT_FILE=" + filepath.Join(tmp, "ca.pem"), "NO_PROXY="}, args)
	if err != nil {
		return fmt.Errorf("with assayd: %w", err)
	}
	return report(os.Stdout, known, offline, online, proxy)
}

// A record of the test data.
type record struct {
	advisory.Advisory
	folders []string // in whose archives it is
}

// readRecords returns the records of folders by id.
func readRecords(folders []string) (map[string]record, error) {
	known := make(map[string]record)
	for _, folder := range folders {
		for r, err := range load.Open(folder).Records() {
			if err != nil {
				return nil, err
			}
			a, err := advisory.Parse(r.Body)
			if err != nil {
				return nil, err
			}
			known[a.ID] = record{a, append(known[a.ID].folders, filepath.Base(folder))}
		}
	}
	return known, nil
}

// writeDocument writes a CycloneDX document with packages of popular images that records are
// about.
func writeDocument(path string, c config, known map[string]record) error {
	about := make(map[index.Key]bool)
	for _, a := range known {
		for _, af := range a.Affected {
			base, _, _ := strings.Cut(af.Package.Ecosystem, ":")
			about[index.KeyOf(base, af.Package.Name)] = true
		}
	}
	file, err := os.Open(filepath.Join(c.testdata, "inventories", "popular.jsonl.gz"))
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	type component struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Version string `json:"version"`
		PURL    string `json:"purl"`
	}
	doc := struct {
		BOMFormat   string      `json:"bomFormat"`
		SpecVersion string      `json:"specVersion"`
		Version     int         `json:"version"`
		Components  []component `json:"components"`
	}{"CycloneDX", "1.5", 1, nil}
	count, seen := map[string]int{}, map[string]bool{}
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var image struct{ PURLs []string }
		if err := json.Unmarshal(lines.Bytes(), &image); err != nil {
			return err
		}
		for _, text := range image.PURLs {
			var u purl.PURL
			if seen[text] || u.Parse(text) != nil || u.Version == "" || count[u.Type] >= c.packages {
				continue
			}
			seen[text] = true
			p := u.Package()
			if ecosystem, ok := ecosystems[u.Type]; !ok || !about[index.KeyOf(ecosystem, p.Name)] {
				continue
			}
			switch u.Type { // releases of the test data, in the form that osv-scanner reads
			case "deb":
				text = "pkg:deb/debian/" + u.Name + "@" + strings.ReplaceAll(u.Version, "+", "%2B") + "?distro=debian-12"
			case "apk":
				text = "pkg:apk/alpine/" + u.Name + "@" + u.Version + "?distro=alpine-3.11.5"
			}
			count[u.Type]++
			doc.Components = append(doc.Components, component{"library", p.Name, p.Version, text})
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	fmt.Printf("packages by type: %v\n", count)
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// serve starts assayd with the records of folders, and returns its address.
func serve(ctx context.Context, assayd, tmp string, folders []string) (address string, stop func() error, err error) {
	data := filepath.Join(tmp, "data")
	if _, err := peers.Output(ctx, nil, nil, assayd, slices.Concat([]string{"import", "--data", data}, folders)...); err != nil {
		return "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = ln.Addr().String()
	if err := ln.Close(); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, assayd, "serve", "--data", data, "--listen", address, "--public-url", "http://"+address,
		"--update-every", "0", "--max-age", "0", "--osv-anonymous")
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		return errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait())
	}
	for range 600 {
		if _, err := peers.Output(ctx, nil, nil, assayd, "ready", "--data", data); err == nil {
			return address, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", nil, errors.Join(fmt.Errorf("assayd is not ready: %s", log.String()), stop())
}

// A finding is a record that osv-scanner lists for a package.
type finding struct{ ecosystem, name, version, id string }

// scan runs osv-scanner and returns its findings and the number of packages.
func scan(ctx context.Context, scanner string, env, args []string) (found map[finding]bool, err error) {
	// 1: there are findings.
	out, err := peers.Output(ctx, env, []int{1}, scanner, args...)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Results []struct {
			Packages []struct {
				Package         struct{ Name, Version, Ecosystem string }
				Vulnerabilities []struct{ ID string }
			}
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return nil, err
	}
	found = make(map[finding]bool)
	for _, r := range doc.Results {
		for _, p := range r.Packages {
			for _, v := range p.Vulnerabilities {
				found[finding{p.Package.Ecosystem, p.Package.Name, p.Package.Version, v.ID}] = true
			}
		}
	}
	return found, nil
}

// report prints how the findings differ. Differences without an explanation are an error.
func report(w io.Writer, known map[string]record, offline, online map[finding]bool, p *proxy) error {
	all := maps.Clone(offline)
	maps.Copy(all, online)
	order := func(a, b finding) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	explained, unexplained := map[string]int{}, 0
	for _, f := range slices.SortedFunc(maps.Keys(all), order) {
		if offline[f] == online[f] {
			continue
		}
		side := "only without a network"
		if online[f] {
			side = "only with assayd"
		}
		if why := explain(known[f.id], f, online[f]); why != "" {
			explained[side+": "+why]++
			continue
		}
		unexplained++
		fmt.Fprintf(w, "%s: %s %s %s %s\n", side, f.ecosystem, f.name, f.version, f.id)
	}
	fmt.Fprintf(w, "%d findings without a network, %d with assayd, in %d requests\n", len(offline), len(online), p.requests.Load())
	for _, why := range slices.Sorted(maps.Keys(explained)) {
		fmt.Fprintf(w, "%d %s\n", explained[why], why)
	}
	switch {
	case unexplained > 0:
		return fmt.Errorf("%d differences have no explanation", unexplained)
	case len(online) < 100:
		return fmt.Errorf("only %d findings were compared", len(online))
	}
	return nil
}
