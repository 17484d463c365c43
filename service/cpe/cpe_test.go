package cpe

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
)

func TestParse(t *testing.T) {
	name := func(values ...string) Name {
		n := Name{}
		for i, f := range n.fields() {
			*f = Any
			if i < len(values) {
				*f = values[i]
			}
		}
		return n
	}
	full := Name{Part: "a", Vendor: "hp", Product: "insight_diagnostics", Version: "7.4.0.1570", Update: NA, Edition: Any, Language: Any,
		SWEdition: "online", TargetSW: "win2003", TargetHW: "x64", Other: Any}
	for in, want := range map[string]Name{
		"cpe:2.3:a:gnu:bash:5.2:*:*:*:*:*:*:*":                                   name("a", "gnu", "bash", "5.2"),
		`cpe:2.3:a:Ruby-Lang:net\:\:imap:*:*:*:*:*:Ruby:*:*`:                     {"a", "ruby-lang", "net::imap", Any, Any, Any, Any, Any, "ruby", Any, Any},
		`cpe:2.3:a:apache:causeway:4.0.0-M1:RC2:*:*:*:*:*:*`:                     name("a", "apache", "causeway", "4.0.0-M1", "RC2"),
		`cpe:2.3:a:a\\b:c\*d:-:*:*:*:*:*:*:*`:                                    name("a", `a\b`, "c*d", NA),
		"cpe:2.3:a:hp:insight_diagnostics:7.4.0.1570:-:*:*:online:win2003:x64:*": full,
		"cpe:/a:hp:insight_diagnostics:7.4.0.1570:-:~~online~win2003~x64~":       full,
		"cpe:/o:redhat:enterprise_linux:8":                                       name("o", "redhat", "enterprise_linux", "8"),
		"CPE:/a:x:y%2bz%3a":                                                      name("a", "x", "y+z:"),
		"cpe:/a:x:y::-:edition:en-us":                                            name("a", "x", "y", Any, NA, "edition", "en-us"),
		"cpe:/h":                                                                 name("h"),
	} {
		if got, err := Parse(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestParseError(t *testing.T) {
	for in, want := range map[string]string{
		"":                                              "begins with neither",
		"pkg:generic/bash":                              "begins with neither",
		"cpe:2.3:a:gnu:bash:5.2:*:*:*:*:*:*":            "does not have 11 attributes",
		"cpe:2.3:a:b:c:*:*:*:*:*:*:*:*:*":               "does not have 11 attributes",
		"cpe:2.3:a:gnu::5.2:*:*:*:*:*:*:*":              "an attribute is empty",
		"cpe:2.3:x:gnu:bash:*:*:*:*:*:*:*:*":            `unknown part "x"`,
		"cpe:2.3:*:gnu:bash:*:*:*:*:*:*:*:*":            `unknown part "*"`,
		"cpe:2.3:a:gnu:bas*:*:*:*:*:*:*:*:*":            "patterns are not supported",
		"cpe:2.3:a:gnu:bash:5.?:*:*:*:*:*:*:*":          "patterns are not supported",
		`cpe:2.3:a:donweb:x\:*:*:*:*:*:*:wordpress:*:*`: "patterns are not supported",
		`cpe:2.3:a:\*:bash:*:*:*:*:*:*:*:*`:             `an attribute is the character "*"`,
		`cpe:2.3:a:gnu:\-:*:*:*:*:*:*:*:*`:              `an attribute is the character "-"`,
		`cpe:2.3:a:gnu:bash:*:*:*:*:*:*:*:\`:            "ends with a backslash",
		"cpe:2.3:a:gnu:ba sh:*:*:*:*:*:*:*:*":           "printable ASCII",
		"cpe:2.3:a:gnü:bash:*:*:*:*:*:*:*:*":            "printable ASCII",
		"cpe:/":                                         `unknown part "*"`,
		"cpe:/a:b:c:d:e:f:g:h":                          "more than 7 components",
		"cpe:/a:b:c:d:e:~x~y":                           "does not have 5 parts",
		"cpe:/a:b:c%2":                                  "incomplete escape",
		"cpe:/a:b:c%zz":                                 "invalid escape",
		"cpe:/a:b:c%00":                                 "invalid escape",
		"cpe:/a:b:c%ff":                                 "invalid escape",
		"cpe:/a:b:c%02":                                 "patterns are not supported",
		"cpe:/a:b:%2d":                                  `an attribute is the character "-"`,
		"cpe:2.3:a:" + strings.Repeat("x", 2000):        "more than 1024",
	} {
		if got, err := Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", in, got, err, want)
		}
	}
}

func TestPackage(t *testing.T) {
	for in, want := range map[string]string{
		"cpe:2.3:a:GNU:Bash:5.2:*:*:*:*:*:*:*":     "gnu:bash",
		`cpe:2.3:a:x:net\:\:imap:*:*:*:*:*:*:*:*`:  "x:net::imap",
		`cpe:2.3:a:x\:net:imap:*:*:*:*:*:*:*:*`:    `x\:net:imap`,
		"cpe:2.3:o:*:linux_kernel:*:*:*:*:*:*:*:*": "",
		"cpe:2.3:a:gnu:-:*:*:*:*:*:*:*:*":          "",
		"cpe:/a:gnu":                               "",
	} {
		n, err := Parse(in)
		if got, ok := n.Package(); err != nil || got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t, %v, want %q", in, got, ok, err, want)
		}
	}
}

// criteria returns the names in the overrides for NVD.
func criteria(t testing.TB) map[string]bool {
	f, err := os.Open(testkit.Path(t, "feeds", "nvd-overrides", "main.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	field := regexp.MustCompile(`"criteria": "([^"]*)"`)
	for r := tar.NewReader(z); ; {
		if _, err := r.Next(); err == io.EOF {
			return names
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range field.FindAllSubmatch(b, -1) {
			names[string(bytes.ReplaceAll(m[1], []byte(`\\`), []byte(`\`)))] = true
		}
	}
}

// Of the genuine names, only patterns cannot be parsed. Each name is what its attributes
// give again.
func TestGenuine(t *testing.T) {
	patterns, all := 0, criteria(t)
	for name := range all {
		n, err := Parse(name)
		switch {
		case err != nil && strings.HasSuffix(err.Error(), "patterns are not supported"):
			patterns++
		case err != nil:
			t.Error(err)
		case bind(n) != name:
			t.Errorf("%s is %s again", name, bind(n))
		}
	}
	if patterns != 5 || len(all) < 9000 {
		t.Errorf("%d names, %d of them patterns", len(all), patterns)
	}
}

// bind returns the formatted string of a name.
func bind(n Name) string {
	s := "cpe:2.3"
	for _, f := range n.fields() {
		s += ":"
		if *f == Any || *f == NA {
			s += *f
			continue
		}
		for i := range len(*f) {
			c := (*f)[i]
			if !strings.ContainsRune("-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", rune(c)) {
				s += `\`
			}
			s += string(c)
		}
	}
	return s
}

// A parsed name has the same attributes when it is written and parsed again, and its
// package tells vendor and product.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`cpe:2.3:a:ruby-lang:net\:\:imap:*:*:*:*:*:ruby:*:*`, "cpe:/a:hp:insight_diagnostics:7.4.0.1570:-:~~online~win2003~x64~",
		"cpe:2.3:a:donweb:x\\:*:*:*:*:*:*:wordpress:*:*", "cpe:/o:redhat:enterprise_linux:8", "cpe:/a:x:y%2bz%3a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		for _, field := range n.fields() {
			if *field == "" {
				t.Fatalf("%q has an empty attribute: %+v", s, n)
			}
		}
		again, err := Parse(bind(n))
		if len(s) < maxLen/2 && (err != nil || again != n) {
			t.Fatalf("%q: %+v, again %+v, %v", s, n, again, err)
		}
		if name, ok := n.Package(); ok {
			vendor := ""
			for name[0] != ':' {
				name = strings.TrimPrefix(name, `\`)
				vendor, name = vendor+name[:1], name[1:]
			}
			if vendor != n.Vendor || name[1:] != n.Product {
				t.Fatalf("%q: vendor %q, product %q of %+v", s, vendor, name[1:], n)
			}
		}
	})
}
