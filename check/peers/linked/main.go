// Linked compares the vulnerabilities of Go programs by the versions of their modules, by
// the packages that are linked, and by the functions that govulncheck finds in them. It builds
// the programs, unstripped, because govulncheck names functions that are not linked in a
// stripped one.
//
// Linked fails if govulncheck finds a vulnerable function in a program and assay says that its
// package is not in the program.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"assay/check/peers"
	"assay/check/testkit/program"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
)

func main() {
	var c config
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the programs that it builds")
	flag.IntVar(&c.first, "first", len(programs()), "use only the first `N` programs")
	program.TestData(&c.testdata, "")
	program.Main("linked", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	tools, testdata string
	first           int
}

// programs returns packages of well-known programs with versions that are some years old.
func programs() [][2]string {
	return [][2]string{
		{"github.com/mikefarah/yq/v4", "v4.30.8"},
		{"github.com/restic/restic/cmd/restic", "v0.14.0"},
		{"github.com/google/go-containerregistry/cmd/crane", "v0.12.1"},
		{"github.com/nats-io/nats-server/v2", "v2.9.10"},
		{"sigs.k8s.io/kustomize/kustomize/v4", "v4.5.7"},
		{"github.com/terraform-docs/terraform-docs", "v0.16.0"},
		{"github.com/tsenart/vegeta/v12", "v12.8.4"},
		{"helm.sh/helm/v3/cmd/helm", "v3.10.3"},
		{"github.com/goreleaser/nfpm/v2/cmd/nfpm", "v2.22.2"},
		{"github.com/containerd/containerd/cmd/ctr", "v1.6.15"},
		{"github.com/oauth2-proxy/oauth2-proxy/v7", "v7.4.0"},
		{"github.com/rclone/rclone", "v1.61.1"},
		{"github.com/cli/cli/v2/cmd/gh", "v2.21.2"},
		{"go.etcd.io/etcd/server/v3", "v3.5.6"},
		{"github.com/rakyll/hey", "v0.1.4"},
		{"github.com/prometheus/alertmanager/cmd/amtool", "v0.25.0"},
		{"github.com/prometheus/prometheus/cmd/promtool", "v0.41.0"},
		{"filippo.io/age/cmd/age", "v1.1.1"},
		{"go.mozilla.org/sops/v3/cmd/sops", "v3.7.3"},
		{"filippo.io/mkcert", "v1.4.4"},
		{"github.com/gohugoio/hugo", "v0.110.0"},
		{"github.com/anchore/syft/cmd/syft", "v0.68.0"},
		{"github.com/open-policy-agent/opa", "v0.48.0"},
		{"github.com/hashicorp/terraform", "v1.3.7"},
	}
}

func run(ctx context.Context, c config) error {
	tmp, err := os.MkdirTemp("", "assay-linked")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	ix, err := database(filepath.Join(c.testdata, "osv", "Go", "all.zip"), tmp)
	if err != nil {
		return err
	}
	govulncheck, err := peers.Build(ctx, c.tools, "govulncheck", "golang.org/x/vuln/cmd/govulncheck", "v1.9.0")
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "program\tby version\tby path\tby function (govulncheck)\tmissing")
	var total counts
	var missing error
	for _, p := range programs()[:min(c.first, len(programs()))] {
		name := p[0][strings.LastIndexByte(p[0], '/')+1:]
		if len(name) < 4 && strings.HasPrefix(name, "v") { // of a major version
			name = filepath.Base(filepath.Dir(p[0]))
		}
		path, err := peers.Build(ctx, c.tools, name, p[0], p[1])
		if err != nil {
			text, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Fprintf(out, "%s %s\tdoes not build: %s\n", name, p[1], text)
			continue
		}
		got, err := compare(ctx, govulncheck, tmp, path, ix)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "%s %s\t%d\t%d\t%d\t%s\n", name, p[1], got.version, got.path, got.function, strings.Join(got.missing, " "))
		total.version, total.path, total.function = total.version+got.version, total.path+got.path, total.function+got.function
		if len(got.missing) > 0 {
			missing = errors.Join(missing, fmt.Errorf("%s: %s", name, strings.Join(got.missing, ", ")))
		}
	}
	fmt.Fprintf(out, "all\t%d\t%d\t%d\t\n", total.version, total.path, total.function)
	return errors.Join(out.Flush(), missing)
}

// counts are the numbers of vulnerabilities in a program.
type counts struct {
	version, path, function int
	missing                 []string // found by govulncheck in functions, and not by path
}

func compare(ctx context.Context, govulncheck, tmp, path string, ix *index.Memory) (counts, error) {
	inv, err := inspect.Inspect(ctx, filepath.Dir(path), inspect.Options{})
	if err != nil {
		return counts{}, err
	}
	inv.Packages = slices.DeleteFunc(inv.Packages, func(p inventory.Package) bool { return p.EmbeddedIn != filepath.Base(path) })
	res, err := match.Inventory(inv, ix, nil, time.Time{})
	if err != nil {
		return counts{}, err
	}
	byVersion, byPath := make(map[string]bool), make(map[string]bool)
	for _, f := range res.Findings {
		for _, id := range f.Advisories {
			byVersion[id] = true
			byPath[id] = byPath[id] || !f.NotLinked
		}
	}
	maps.DeleteFunc(byPath, func(_ string, linked bool) bool { return !linked })
	out, err := peers.Output(ctx, nil, nil, govulncheck, "-mode=binary", "-format=json", "-db", "file://"+filepath.Join(tmp, "db"), path)
	if err != nil {
		return counts{}, err
	}
	byFunction, err := functions(out)
	if err != nil {
		return counts{}, err
	}
	got := counts{len(byVersion), len(byPath), len(byFunction), nil}
	for _, id := range slices.Sorted(maps.Keys(byFunction)) {
		if !byPath[id] {
			got.missing = append(got.missing, id)
		}
	}
	return got, nil
}

// functions returns the IDs of the vulnerabilities that govulncheck found by a function.
func functions(out []byte) (map[string]bool, error) {
	found := make(map[string]bool)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var message struct {
			Finding *struct {
				OSV   string `json:"osv"`
				Trace []struct {
					Function string `json:"function"`
				} `json:"trace"`
			} `json:"finding"`
		}
		if err := d.Decode(&message); err == io.EOF {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("output of govulncheck: %w", err)
		}
		if f := message.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			found[f.OSV] = true
		}
	}
}

// database writes the records of the Go project as a database of govulncheck to the folder db
// below tmp (https://go.dev/doc/security/vuln/database), and returns an index of them.
func database(archive, tmp string) (*index.Memory, error) {
	type vuln struct {
		ID       string    `json:"id"`
		Modified time.Time `json:"modified"`
		Fixed    string    `json:"fixed,omitempty"`
		Aliases  []string  `json:"aliases,omitempty"`
	}
	type module struct {
		Path  string `json:"path"`
		Vulns []vuln `json:"vulns"`
	}
	modules := make(map[string]*module)
	var vulns []vuln
	var all []advisory.Advisory
	files := make(map[string][]byte)
	newest := time.Time{}
	for r, err := range load.Open(archive).Records() {
		if err != nil {
			return nil, err
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(a.ID, "GO-") || a.Withdrawn != nil {
			continue
		}
		all = append(all, a)
		files["ID/"+a.ID+".json"] = r.Body
		if a.Modified.After(newest) {
			newest = a.Modified
		}
		vulns = append(vulns, vuln{ID: a.ID, Modified: a.Modified, Aliases: a.Aliases})
		for _, af := range a.Affected {
			m := modules[af.Package.Name]
			if m == nil {
				m = &module{Path: af.Package.Name}
				modules[af.Package.Name] = m
			}
			v := vuln{ID: a.ID, Modified: a.Modified}
			for _, r := range af.Ranges {
				for _, e := range r.Events {
					v.Fixed = e.Fixed
				}
			}
			if !slices.ContainsFunc(m.Vulns, func(o vuln) bool { return o.ID == v.ID }) {
				m.Vulns = append(m.Vulns, v)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no record of the Go project", archive)
	}
	var list []module
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		list = append(list, *modules[path])
	}
	for name, v := range map[string]any{"index/modules.json": list, "index/vulns.json": vulns, "index/db.json": map[string]time.Time{"modified": newest}} {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(tmp, "db", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	return index.NewMemory(all, nil), nil
}
