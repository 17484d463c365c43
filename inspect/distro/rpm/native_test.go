package rpm

import (
	"bytes"
	"cmp"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/rpmtest"
	"assay/inspect/distro/rpm/header"
)

// ask runs the native rpm on the databases in dir and returns its output lines, sorted.
func ask(t *testing.T, dir, format string) []string {
	t.Helper()
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		testkit.Missing(t, "the program rpm; install the package rpm")
	}
	cmd := exec.CommandContext(t.Context(), rpm, "--dbpath", dir, "-qa", "--qf", format)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rpm: %v: %s", err, stderr.Bytes())
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "gpg-pubkey\t") })
	slices.Sort(lines)
	return lines
}

// checkNativePackages compares all fields that are kept of a package.
func checkNativePackages(t *testing.T, d rpmtest.Database, dir string) {
	want := ask(t, dir, `%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}`+
		`\t%|VENDOR?{%{VENDOR}}:{%|PACKAGER?{%{PACKAGER}}|}|\t%|MODULARITYLABEL?{%{MODULARITYLABEL}}|`+
		`\t%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%|SIGPGP?{%{SIGPGP:pgpsig}}:{%|SIGGPG?{%{SIGGPG:pgpsig}}|}|}|}|\n`)
	for i, l := range want { // "RSA/SHA256, Tue Apr  6 20:57:54 2021, Key ID 0946fca2c105b9de"
		line, signature, ok := cutLast(l, "\t")
		_, key, named := strings.Cut(signature, ", Key ID ")
		if !ok || named != (signature != "") {
			t.Fatalf("%q", l)
		}
		want[i] = line + "\t" + key
	}
	packages, err := Packages(headersOf(d.File, d.Data), d.File)
	if err != nil {
		t.Error(err)
	}
	var got []string
	modules, signed := 0, 0
	for _, p := range packages {
		got = append(got, fmt.Sprintf("%s\t%s\t%s\t%s-%s.src.rpm\t%s\t%s\t%s",
			p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Vendor, p.Module, p.SignedBy))
		if p.Module != "" {
			modules++
		}
		if p.SignedBy != "" {
			signed++
		}
	}
	slices.Sort(got)
	diff(t, got, want)
	if d.Name == "centos8-modularity-bdb" && modules != 21 {
		t.Errorf("%d packages of modules", modules)
	}
	if signed == 0 && d.Name != "scalibr-epoch-bdb" { // whose package is not signed
		t.Error("no package is signed")
	}
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// checkNativeFiles compares the file lists with their digests.
func checkNativeFiles(t *testing.T, d rpmtest.Database, dir string) {
	want := ask(t, dir, `[%{=NAME}\t%{FILENAMES}\t%{=FILEDIGESTALGO} %{FILEDIGESTS}\n]`)
	for i, l := range want {
		at := strings.LastIndexByte(l, '\t') + 1
		algorithm, digest, _ := strings.Cut(l[at:], " ")
		if digest != "" {
			names := map[string]string{"(none)": "md5", "1": "md5", "8": "sha256"}
			digest = cmp.Or(names[algorithm], algorithm) + ":" + digest
		}
		want[i] = l[:at] + digest
	}
	slices.Sort(want)
	var got []string
	for h, err := range headersOf(d.File, d.Data) {
		if err != nil {
			t.Fatal(err)
		}
		name, err := h.String(header.Name)
		if err != nil {
			t.Fatal(err)
		}
		for f, err := range h.Files() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, name+"\t"+f.Dir+f.Base+"\t"+f.Digest)
		}
	}
	slices.Sort(got)
	diff(t, got, want)
}
