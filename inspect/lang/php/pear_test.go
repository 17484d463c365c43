package php

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/ident"
)

func TestWantsPEAR(t *testing.T) {
	for path, want := range map[string]bool{
		"usr/share/php/.registry/archive_tar.reg":                        true,
		"usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg":    true,
		"usr/share/php/.registry/.channel.pecl.php.net/.alias/redis.reg": false,
		"usr/share/php/.channels/pear.php.net.reg":                       false,
		"usr/share/php/.registry/archive_tar.reg.bak":                    false,
		"usr/share/php/.registry/other/archive_tar.reg":                  false,
		"archive_tar.reg":           false,
		".registry/archive_tar.reg": false,
		"usr/share/doc/php-pear/tests/usr/share/php/.registry/console.reg":  false,
		"usr/share/php/tests/PEAR/testdata/usr/share/php/.registry/one.reg": false,
	} {
		if got := WantsPEAR(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// The registry of this machine's PEAR, as pear list shows it.
func TestAsPearList(t *testing.T) {
	paths, err := filepath.Glob("/usr/share/php/.registry/*.reg")
	if _, missing := exec.LookPath("pear"); err != nil || missing != nil || len(paths) == 0 {
		testkit.Missing(t, "PEAR, to compare with: apt-get install php-pear")
	}
	var got []string
	for _, path := range paths {
		rel := strings.TrimPrefix(path, "/")
		if !WantsPEAR(rel) {
			t.Errorf("%s is not wanted", rel)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		packages, err := ReadPEAR(f, rel)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		got = append(got, names(t, "pear", packages, rel)...)
	}
	out, err := exec.CommandContext(t.Context(), "pear", "list", "-c", "pear.php.net").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	_, table, _ := strings.Cut(string(out), "STATE")
	for line := range strings.Lines(strings.TrimSpace(table)) {
		if f := strings.Fields(line); len(f) == 3 {
			want = append(want, fmt.Sprintf("pear.php.net/%s %s", f[0], f[1]))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%q\npear lists %q", got, want)
	}
}

func TestReadPEAR(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{`a:4:{s:7:"attribs";a:1:{s:7:"version";s:3:"2.0";}s:4:"name";s:2:"Ab";s:7:"channel";s:12:"pecl.php.net";` +
			`s:7:"version";a:2:{s:3:"api";s:1:"9";s:7:"release";s:5:"1.4.3";}}`, "pecl.php.net/Ab 1.4.3", ""},
		{`a:5:{i:0;N;i:-1;b:1;s:1:"x";d:0.5;s:4:"name";s:2:"Ab";s:7:"version";s:3:"1.0";}`, "pear.php.net/Ab 1.0", ""},
		{`a:0:{}`, "", `invalid package name "" or version ""`},
		{`s:1:"a";`, "", "not an array"},
		{``, "", "unexpected EOF"},
		{`a:1:{`, "", "unexpected EOF"},
		{`a:1:{s:4:"name";s:2:"Ab";`, "", "unexpected EOF"},
		{`a:1:{s:4:"name";s:3:"Ab";}`, "", `unexpected ';', want '"'`},
		{`a:2:{s:4:"name";s:2:"Ab";}`, "", `invalid key of type '}'`},
		{`a:1:{s:4:"name";O:8:"stdClass":0:{}}`, "", `unsupported type 'O'`},
		{`a:-1:{}`, "", `invalid length: '-' after 0 digits`},
		{`a::{}`, "", `invalid length: ':' after 0 digits`},
		{`a:99999999999999999999:{}`, "", `invalid length: '9' after 8 digits`},
		{`a:1:{i:` + strings.Repeat("1", 100), "", `value of type 'i' is not terminated`},
		{`a:2:{s:4:"name";s:3:"A b";s:7:"version";s:3:"1.0";}`, "", `invalid package name "A b" or version "1.0"`},
		{`a:3:{s:4:"name";s:1:"A";s:7:"version";s:3:"1.0";s:7:"channel";s:1:" ";}`, "", `invalid channel " "`},
		{strings.Repeat(`a:1:{i:0;`, maxDepth+1), "", "nested more than 512 deep"},
	} {
		packages, err := ReadPEAR(strings.NewReader(c.text), "p")
		if c.err != "" {
			c.err = "PEAR registry: " + c.err
		}
		if got := strings.Join(names(t, "pear", packages, "p"), ", "); got != c.want || text(err) != c.err {
			t.Errorf("%.80s: %q, %v; want %q, %s", c.text, got, err, c.want, c.err)
		}
	}
}

// FuzzReadPEAR checks that the package of a record does not change, whatever else is in
// the record's array.
func FuzzReadPEAR(f *testing.F) {
	f.Add("a", "1.0", `s:1:"x";a:1:{i:0;N;}`)
	f.Add("Archive_Tar", "1.4.14", `i:0;d:1.5;`)
	f.Fuzz(func(t *testing.T, name, version, other string) {
		fields := fmt.Sprintf(`s:4:"name";s:%d:"%s";s:7:"version";a:1:{s:7:"release";s:%d:"%s";}`, len(name), name, len(version), version)
		packages, err := ReadPEAR(strings.NewReader("a:2:{"+fields+"}"), "p")
		if sound := ident.Is(name) && ident.Is(version); sound != (err == nil) || sound != (len(packages) == 1) {
			t.Fatalf("%q %q: %v, %v", name, version, packages, err)
		}
		for _, p := range packages {
			if p.Name != "pear.php.net/"+name || p.Version != version {
				t.Errorf("%q %q: %+v", name, version, p)
			}
		}
		if packages, err := ReadPEAR(strings.NewReader("a:3:{"+other+fields+"}"), "p"); err == nil && len(packages) != 1 {
			t.Errorf("%q: %v", other, packages)
		}
	})
}
