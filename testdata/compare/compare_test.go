package main

import (
	"bytes"
	"strings"
	"testing"

	"assay/testdata/pkgdb"
)

func rowOf(name, version, source string) pkgdb.Row {
	return pkgdb.Row{Name: name, Version: version, Arch: "amd64", Source: source, SourceVersion: version}
}

func listOf(tool string, rows ...pkgdb.Row) list {
	l := newList(tool)
	for _, r := range rows {
		l.add(r)
	}
	return l
}

func TestReport(t *testing.T) {
	judge := listOf("judge", rowOf("a", "1", "a"), rowOf("b", "1", "b"), rowOf("c", "0:1", "c"))
	tool := listOf("tool", rowOf("b", "1", "bb"), rowOf("c", "1", "c"), rowOf("d", "2", "d"))
	const head = "# x\n\n## Differences\n\n| roots | tool | difference | packages | whose | why |\n| --- | --- | --- | --- | --- | --- |\n"
	all := "| `r*` | tool | lacks | `a` | theirs missed | x |\n" +
		"| `root` | tool | source | `*` | another rule | y |\n" +
		"| `root` | tool | adds | `d` | another rule | z |\n"
	for _, c := range []struct{ name, table, want string }{
		{"all covered", all, ""},
		{"an entry is missing", strings.Replace(all, "`d`", "`e`", 1), "no entry: root: tool adds d 2 amd64 (source d 2)"},
		{"and one has no difference", strings.Replace(all, "`d`", "`e`", 1), "entry without a difference: root: tool adds e"},
		{"of another root", all + "| `other` | tool | lacks | `*` | theirs missed | x |\n", ""},
		{"of another tool", strings.ReplaceAll(all, "tool", "tools"), "no entry: root: tool lacks a 1 amd64 (source a 1)"},
		{"what another section says", all + "\n## Next\n\n| `x` |\n", ""},
	} {
		entries, err := parseEntries(head + c.table)
		if err != nil {
			t.Fatal(err)
		}
		r := newReport(entries)
		r.add("root", []list{judge, judge, tool})
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

func TestParseCycloneDX(t *testing.T) {
	l, err := parseCycloneDX("tool", []byte(`{"components": [
		{"name": "bsdutils", "version": "1:2.38.1-5", "purl": "pkg:deb/debian/bsdutils@1%3A2.38.1-5?arch=amd64&upstream=util-linux%402.38.1-5"},
		{"name": "bzip2-libs", "version": "1.0.6-26.el8", "purl": "pkg:rpm/centos/bzip2-libs@1.0.6-26.el8?arch=x86_64&epoch=1&upstream=bzip2-1.0.6-26.el8.src.rpm"},
		{"name": "gpg-pubkey", "version": "1", "purl": "pkg:rpm/centos/gpg-pubkey@1"},
		{"name": "express", "version": "1", "purl": "pkg:npm/express@1"},
		{"name": "ssl_client", "version": "1-r3", "purl": "pkg:apk/alpine/ssl_client@1-r3?arch=x86_64&upstream=busybox"},
		{"name": "dash", "version": "0.5-2", "purl": "pkg:deb/debian/dash@0.5-2?arch=amd64", "properties": [
			{"name": "aquasecurity:trivy:SrcName", "value": "dash"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "0.5"},
			{"name": "aquasecurity:trivy:SrcRelease", "value": "2"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "3"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := listOf("tool",
		pkgdb.Row{Name: "bsdutils", Version: "1:2.38.1-5", Arch: "amd64", Source: "util-linux", SourceVersion: "2.38.1-5"},
		pkgdb.Row{Name: "bzip2-libs", Version: "1:1.0.6-26.el8", Arch: "x86_64", Source: "bzip2", SourceVersion: "1.0.6-26.el8"},
		pkgdb.Row{Name: "ssl_client", Version: "1-r3", Arch: "x86_64", Source: "busybox", SourceVersion: "1-r3"},
		pkgdb.Row{Name: "dash", Version: "0.5-2", Arch: "amd64", Source: "dash", SourceVersion: "3:0.5-2"},
	)
	if d := differences("root", want, l); len(d) > 0 {
		t.Errorf("%v", d)
	}
}
