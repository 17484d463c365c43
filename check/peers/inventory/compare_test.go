package main

import (
	"bytes"
	"debug/buildinfo"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/peers"
	"assay/check/testkit/pkgdb"
)

func rowOf(name, version, source string) pkgdb.Row {
	return pkgdb.Row{Name: name, Version: version, Arch: "amd64", Source: source, SourceVersion: version}
}

func listOf(tool string, rows ...pkgdb.Row) list {
	l := list{tool, map[pkgdb.Row]bool{}}
	for _, r := range rows {
		l.rows.add(r)
	}
	return l
}

func TestReport(t *testing.T) {
	reference := listOf("reference", rowOf("a", "1", "a"), rowOf("b", "1", "b"), rowOf("c", "0:1", "c"))
	tool := listOf("tool", rowOf("b", "1", "bb"), rowOf("c", "1", "c"), rowOf("d", "2", "d"))
	const head = "# x\n\n## Differences\n\n| roots | tool | difference | packages | whose | why |\n| --- | --- | --- | --- | --- | --- |\n"
	all := "| `r*` | tool | lacks | `a` | theirs missed | x |\n" +
		"| `root` | tool | source | `*` | another rule | y |\n" +
		"| `root` | tool | adds | `d` | another rule | z |\n"
	for _, c := range []struct{ name, table, want string }{
		{"all covered", all, ""},
		{"an entry is missing", strings.Replace(all, "`d`", "`e`", 1), "no entry: root: tool adds d 2 amd64 (source d 2)"},
		{"and one has no difference", strings.Replace(all, "`d`", "`e`", 1), "entry without a difference: root: tool adds e"},
		{"a version", strings.Replace(all, "`d`", "`x`, `d 2`", 1), "entry without a difference: root: tool adds x"},
		{"another version", strings.Replace(all, "`d`", "`d 3`", 1), "no entry: root: tool adds d 2"},
		{"of another root", all + "| `other` | tool | lacks | `*` | theirs missed | x |\n", ""},
		{"of several tools", strings.ReplaceAll(all, "tool", "t*"), ""},
		{"of another tool", strings.ReplaceAll(all, "tool", "tools"), "no entry: root: tool lacks a 1 amd64 (source a 1)"},
		{"a line of another section", all + "\n## Next\n\n| `x` |\n", ""},
	} {
		entries, err := parseEntries(head + c.table)
		if err != nil {
			t.Fatal(err)
		}
		r := newReport(entries)
		r.add("root", []list{reference, reference, tool})
		var out bytes.Buffer
		err = r.print(&out)
		if (err != nil) != (c.want != "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, &out)
		}
	}
	for _, bad := range []string{
		"| `r` | tool | lacks | `a` | ours missed | x |\n", "| `r` | tool | has | `a` | another rule | x |\n",
		"| `r` | tool | lacks | `a` | another rule |\n", "| `[` | tool | lacks | `a` | another rule | x |\n",
		"| `r` | tool | lacks | `a` | another rule | |\n",
	} {
		if _, err := parseEntries(head + bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if _, err := parseEntries("# no table\n"); err == nil {
		t.Error("no section: no error")
	}
}

func TestReadCycloneDX(t *testing.T) {
	l := newTally("tool")
	err := readCycloneDX([]byte(`{"components": [
		{"name": "bsdutils", "version": "1:2.38.1-5", "purl": "pkg:deb/debian/bsdutils@1%3A2.38.1-5?arch=amd64&upstream=util-linux%402.38.1-5"},
		{"name": "bzip2-libs", "version": "1.0.6-26.el8", "purl": "pkg:rpm/centos/bzip2-libs@1.0.6-26.el8?arch=x86_64&epoch=1&upstream=bzip2-1.0.6-26.el8.src.rpm"},
		{"name": "gpg-pubkey", "version": "1", "purl": "pkg:rpm/centos/gpg-pubkey@1"},
		{"name": "express", "version": "1", "purl": "pkg:npm/express@1"},
		{"name": "ssl_client", "version": "1-r3", "purl": "pkg:apk/alpine/ssl_client@1-r3?arch=x86_64&upstream=busybox"},
		{"name": "dash", "version": "0.5-2", "purl": "pkg:deb/debian/dash@0.5-2?arch=amd64", "properties": [
			{"name": "aquasecurity:trivy:SrcName", "value": "dash"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "0.5"},
			{"name": "aquasecurity:trivy:SrcRelease", "value": "2"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "3"}]},
		{"name": "core", "version": "1", "purl": "pkg:npm/%40babel/core@1"},
		{"name": "Typing.Extensions", "version": "4", "purl": "pkg:pypi/Typing.Extensions@4"},
		{"name": "x", "version": "1", "purl": "pkg:maven/x@1"},
		{"name": "guava", "version": "", "purl": "pkg:maven/com.google.guava/guava"},
		{"name": "sync", "version": "v0.1.0", "purl": "pkg:golang/golang.org/x/sync@v0.1.0"}]}`), l)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(name, version string) pkgdb.Row { return pkgdb.Row{Name: name, Version: version} }
	for typ, want := range map[string]list{
		"deb": listOf("tool",
			pkgdb.Row{Name: "bsdutils", Version: "1:2.38.1-5", Arch: "amd64", Source: "util-linux", SourceVersion: "2.38.1-5"},
			pkgdb.Row{Name: "dash", Version: "0.5-2", Arch: "amd64", Source: "dash", SourceVersion: "3:0.5-2"}),
		"rpm": listOf("tool",
			pkgdb.Row{Name: "bzip2-libs", Version: "1:1.0.6-26.el8", Arch: "x86_64", Source: "bzip2", SourceVersion: "1.0.6-26.el8"}),
		"apk": listOf("tool",
			pkgdb.Row{Name: "ssl_client", Version: "1-r3", Arch: "x86_64", Source: "busybox", SourceVersion: "1-r3"}),
		"npm":    listOf("tool", plain("express", "1"), plain("@babel/core", "1")),
		"pypi":   listOf("tool", plain("typing-extensions", "4")),
		"maven":  listOf("tool", plain("com.google.guava:guava", "none")),
		"golang": listOf("tool", plain("golang.org/x/sync", "0.1.0")),
	} {
		if d := differences("root", want, list{"tool", l.types[typ]}); len(d) > 0 {
			t.Errorf("%s: %v", typ, d)
		}
	}
}

func TestReadScanner(t *testing.T) {
	installed, locked := newTally("installed"), newTally("locked")
	err := readScanner([]byte(`{"results": [
		{"source": {"path": "/usr/bin/x", "type": "artifact"}, "packages": [{"package": {"name": "stdlib", "version": "1.19.8", "ecosystem": "Go"}}]},
		{"source": {"path": "/package-lock.json", "type": "lockfile"}, "packages": [
			{"package": {"name": "a", "version": "1", "ecosystem": "npm"}}, {"package": {"name": "b", "version": "1", "ecosystem": "Debian:12"}}]}]}`),
		installed, locked)
	if err != nil || len(installed.types) != 1 || len(locked.types) != 1 ||
		!installed.types["golang"][pkgdb.Row{Name: "stdlib", Version: "1.19.8"}] || !locked.types["npm"][pkgdb.Row{Name: "a", Version: "1"}] {
		t.Errorf("%v, %v, %v", installed, locked, err)
	}
	if err := readScanner(nil, installed, locked); err != nil {
		t.Error(err)
	}
}

func TestModules(t *testing.T) {
	const text = "/bin/x: go1.26.4 X:nodwarf5\n\tpath\texample.com/x\n\tmod\texample.com/x\t(devel)\t\n" +
		"\tdep\ta\tv1.0.0\n\t=>\tb\tv2.0.0\th1:x=\n\tdep\tc\tv1.0.0\n\t=>\t./c\t\t\n\tbuild\tGOOS=linux\n"
	want := []namedVersion{{"stdlib", "1.26.4"}, {"example.com/x", "(devel)"}, {"b", "v2.0.0"}, {"c", "(devel)"}}
	if got := modules(text); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWriteProgram checks that the standard library reads the build information of the
// program.
func TestWriteProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	const text = "x: go1.22.1\n\tpath\texample.com/x\n\tmod\texample.com/x\tv1.0.0\t\n"
	if err := peers.WriteProgram(path, ".go.buildinfo", peers.BuildInfo(text)); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil || info.GoVersion != "go1.22.1" || info.Main.Path != "example.com/x" || info.Main.Version != "v1.0.0" {
		t.Errorf("%v, %v", info, err)
	}
}
