package scan_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/scan"
	"assay/verdict"
)

// TestSyftsDocuments: the findings in Syft's SPDX document of a root are those in its CycloneDX
// document. The roots have the package databases of Debian, Alpine and a rebuild of RHEL, and
// libraries of languages.
func TestSyftsDocuments(t *testing.T) {
	syft := testkit.Syft(t)
	var all []advisory.Advisory
	for r, err := range load.Open(testkit.Path(t, "osv")).Records() {
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	ix := index.NewMemory(all, nil)
	databases, err := pkgdb.All(testkit.Path(t, "pkgdb"))
	if err != nil {
		t.Fatal(err)
	}
	roots := map[string]string{"libraries": languageRoot(t)}
	for name, release := range map[string]string{
		"dpkg/debian12-minbase": "ID=debian\nVERSION_ID=12\n", "apk/alpine-with-packages-final": "ID=alpine\nVERSION_ID=3.11.6\n",
		"rpm/rocky-sqlite": "ID=almalinux\nVERSION_ID=9.4\n", "rpm/centos8-modularity-bdb": "ID=almalinux\nVERSION_ID=8.10\n",
	} {
		i := slices.IndexFunc(databases, func(d pkgdb.Database) bool { return d.String() == name })
		if i < 0 {
			t.Fatalf("no database %s", name)
		}
		root := t.TempDir()
		if err := databases[i].Lay(root); err != nil {
			t.Fatal(err)
		}
		if err := writeIfMissing(filepath.Join(root, "etc", "os-release"), release); err != nil {
			t.Fatal(err)
		}
		roots[name] = root
	}
	for name, root := range roots {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			cmd := exec.Command(syft, "scan", "dir:"+root, "-q", "--override-default-catalogers=image")
			formats := []string{"cyclonedx-json", "spdx-json@2.2", "spdx-json@2.3"}
			for _, f := range formats {
				cmd.Args = append(cmd.Args, "-o", f+"="+f)
			}
			cmd.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false")
			cmd.Dir = out
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			var want []string
			var packages int
			for _, f := range formats {
				doc, err := os.ReadFile(filepath.Join(out, f))
				if err != nil {
					t.Fatal(err)
				}
				s, err := scan.Read(doc)
				if err != nil {
					t.Fatal(err)
				}
				a, err := scan.Evaluator{}.Answer(s, ix, nil, verdict.Data{Records: len(all), Updated: now}, now)
				if err != nil {
					t.Fatal(err)
				}
				v := a.Whole()
				got := append(described(s.Inventory), found(v)...)
				if f == formats[0] {
					want, packages = got, v.Counts.Packages
					t.Logf("%d packages, %d findings, %s", packages, len(v.Findings), v.Decision.Outcome)
					continue
				}
				if packages == 0 || !slices.Equal(got, want) {
					for i := range max(len(got), len(want)) {
						if i >= len(got) || i >= len(want) || got[i] != want[i] {
							t.Fatalf("%s: line %d of %d and %d:\n%s\nwant\n%s", f, i, len(got), len(want), line(got, i), line(want, i))
						}
					}
				}
			}
		})
	}
}

func line(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return ""
}

// described returns what matters of the packages, and the scan errors. It leaves out vendors and
// module labels: Syft's SPDX has no module labels, and only some vendors.
func described(inv inventory.Inventory) []string {
	var all []string
	for _, p := range inv.Packages {
		var paths []string
		for _, e := range p.Evidence {
			paths = append(paths, e.Path)
		}
		slices.Sort(paths)
		all = append(all, fmt.Sprintf("%s %s %s %s %s %s %s %q", p.Type, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.CPE, slices.Compact(paths)))
	}
	slices.Sort(all)
	for _, e := range inv.ScanErrors {
		all = append(all, fmt.Sprintf("%s %s", e.Kind, e.Path))
	}
	return all
}

func found(v verdict.Verdict) []string {
	all := []string{fmt.Sprint(v.Decision.Outcome, v.Counts.Evaluated, v.System.Ecosystem)}
	for _, f := range v.Findings {
		all = append(all, fmt.Sprint(f.ID, " ", f.Package.PURL, " ", f.Fixed, " ", f.Severity, " ", f.Rule, " ", f.Fails))
	}
	return all
}

func writeIfMissing(path, text string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// languageRoot is a Debian with libraries of languages, of which some are vulnerable.
func languageRoot(t *testing.T) string {
	root := testkit.Tree(t, map[string]string{
		"etc/os-release":      bookworm,
		"var/lib/dpkg/status": "Package: openssl\nStatus: install ok installed\nMaintainer: Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u1\n\n",
		"usr/lib/python3/dist-packages/requests-2.19.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: requests\nVersion: 2.19.1\nAuthor: Kenneth Reitz\nAuthor-email: me@kennethreitz.org\n",
		"usr/lib/node_modules/@babel/traverse/package.json":                `{"name":"@babel/traverse","version":"7.0.0","author":"A B <a@example.com>"}`,
		"srv/gems/specifications/rack-2.0.1.gemspec":                       "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"2.0.1\"\n  s.authors = [\"Leah Neukirchen\".freeze]\nend\n",
	})
	program(t, root, "usr/bin/tool")
	return root
}

// TestReadFormats: the content of a document says which format it has.
func TestReadFormats(t *testing.T) {
	for doc, want := range map[string]string{
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","purl":"pkg:npm/a@1"}]}`:                                                                                                            "a",
		`{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-1","name":"a","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}`:                                 "a",
		`{"packages":[{"name":"a","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}],"spdxVersion":"SPDX-2.2"}`:                                                                                            "a",
		`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","packages":[{"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}}`: "a",
		`{"spdxVersion":"SPDX-3.0"}`: "",
		`{}`:                         "",
		`[]`:                         "",
	} {
		s, err := scan.Read([]byte(doc))
		switch {
		case want == "" && err == nil:
			t.Errorf("%s: no error", doc)
		case want != "" && (err != nil || len(s.Inventory.Packages) != 1 || s.Inventory.Packages[0].Name != want):
			t.Errorf("%s: %+v, %v", doc, s.Inventory, err)
		}
	}
}
