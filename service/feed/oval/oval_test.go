package oval

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// document is one with a release (test 1), architectures (2 and 3), packages (4 to 8), a
// signature (9), tests that are not supported (10 to 17), and the given criteria.
func document(criteria string) string {
	tests := map[int][3]string{ // check, object, state
		1: {"at least one", "1", "1"}, 2: {"at least one", "1", "2"}, 3: {"at least one", "1", "3"},
		4: {"at least one", "2", "4"}, 5: {"all", "3", "5"}, 6: {"at least one", "2", "6"}, 7: {"at least one", "2", "7"}, 8: {"at least one", "2", "8"},
		9: {"at least one", "2", "9"}, 10: {"none satisfy", "2", "4"}, 11: {"at least one", "4", "4"}, 12: {"at least one", "2", "10"},
		13: {"at least one", "99", "4"}, 14: {"at least one", "2", "99"}, 15: {"at least one", "2", "11"}, 16: {"at least one", "2", "12"}, 17: {"at least one", "5", "4"},
		18: {"at least one", "6", "4"}, 19: {"at least one", "2", "13"},
	}
	states := []string{
		`<version operation="pattern match">^8</version>`, `<arch>x86_64</arch>`, `<arch>aarch64</arch>`,
		`<evr datatype="evr_string" operation="less than">0:2-1</evr>`,
		`<evr operation="less than or equal">0:3-1</evr><arch operation="pattern match">(aarch64|x86_64)</arch>`,
		`<evr operation="greater than">0:1-1</evr>`, `<evr operation="greater than">0:0-0</evr>`, `<evr operation="equals">0:5-1</evr>`,
		`<signature_keyid>0123</signature_keyid>`, `<extended_name>a</extended_name>`, `<evr operation="less than" var_ref="v"/>`, `<evr operation="not equal">1</evr>`,
		`<evr operation="less than">1</evr><evr operation="less than">2</evr>`,
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"><generator><a/></generator><definitions>` +
		`<definition id="oval:org.example:def:1" class="patch"><metadata><title> A </title></metadata>` + criteria + `</definition></definitions><tests>`)
	for n := range len(tests) {
		t := tests[n+1]
		fmt.Fprintf(&b, `<rpminfo_test id="oval:org.example:tst:%d" check="%s"><object object_ref="oval:org.example:obj:%s"/><state state_ref="oval:org.example:ste:%s"/></rpminfo_test>`, n+1, t[0], t[1], t[2])
	}
	b.WriteString(`</tests><objects>` +
		`<rpminfo_object id="oval:org.example:obj:1"><name>release</name></rpminfo_object>` +
		`<rpminfo_object id="oval:org.example:obj:2"><name>a</name></rpminfo_object>` +
		`<rpminfo_object id="oval:org.example:obj:3"><name operation="pattern match">^lib\.b$</name></rpminfo_object>` +
		`<rpminfo_object id="oval:org.example:obj:4"><name operation="pattern match">^a.*$</name></rpminfo_object>` +
		`<rpminfo_object id="oval:org.example:obj:5"><name>c</name></rpminfo_object><rpminfo_object id="oval:org.example:obj:5"><name>d</name></rpminfo_object>` +
		`<rpminfo_object id="oval:org.example:obj:6"><name var_ref="v"/></rpminfo_object></objects><states>`)
	for i, s := range states {
		fmt.Fprintf(&b, `<rpminfo_state id="oval:org.example:ste:%d">%s</rpminfo_state>`, i+1, s)
	}
	b.WriteString(`</states></oval_definitions>`)
	return b.String()
}

// and, or and test write criteria.
func and(parts ...string) string {
	return `<criteria operator="AND">` + strings.Join(parts, "") + `</criteria>`
}
func or(parts ...string) string {
	return `<criteria operator="OR">` + strings.Join(parts, "") + `</criteria>`
}
func test1(n int) string {
	return fmt.Sprintf(`<criterion test_ref="oval:org.example:tst:%d" comment="test %[1]d"/>`, n)
}

func fact(t Test) (Fact, error) {
	switch {
	case t.Name == "release" && t.State.Version.Operation != "":
		return Fact{Release: "R:" + strings.TrimPrefix(t.State.Version.Value, "^")}, nil
	case t.Name == "release":
		return Fact{Arch: t.State.Arch.Value}, nil
	}
	return t.Package()
}

func write(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// affected returns what the only definition of a document affects, in short.
func affected(t testing.TB, doc string) (list []string, err error) {
	t.Helper()
	for d, err := range Read(write(t, []byte(doc)), "org.example") {
		if err != nil {
			return nil, err
		}
		all, err := d.Affected(fact)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %+v %s", a.Release, a.Package, a.events(), strings.Join(a.Arches, ","))))
		}
	}
	return list, nil
}

func TestAffected(t *testing.T) {
	const fixed = "R:8 a [{Introduced:0 Fixed: LastAffected: Limit:} {Introduced: Fixed:0:2-1 LastAffected: Limit:}]"
	const last = "R:8 lib.b [{Introduced:0 Fixed: LastAffected: Limit:} {Introduced: Fixed: LastAffected:0:3-1 Limit:}]"
	for _, tt := range []struct {
		name, criteria string
		want           []string
		err            string
	}{
		{"a fix", and(test1(1), test1(4)), []string{fixed}, ""},
		{"a fix and a signature", and(test1(1), or(and(test1(4), test1(9)))), []string{fixed}, ""},
		{"two packages", and(test1(1), or(test1(4), test1(5))), []string{fixed, last + " aarch64,x86_64"}, ""},
		{"two releases of equal content", or(and(test1(1), test1(4)), and(test1(4), test1(1))), []string{fixed}, ""},
		{"on one architecture", and(test1(1), or(and(test1(2), or(test1(4), test1(5))))), []string{fixed + " x86_64", last + " x86_64"}, ""},
		{"on two architectures", and(test1(1), or(and(test1(2), test1(4)), and(test1(3), test1(4)))), []string{fixed + " aarch64,x86_64"}, ""},
		{"on all architectures and on one", and(test1(1), or(test1(4), and(test1(3), test1(4)))), []string{fixed}, ""},
		{"on no architecture", and(test1(1), test1(2), test1(3), test1(4)), nil, ""},
		{"a start and a fix", and(test1(1), test1(6), test1(4)), []string{"R:8 a [{Introduced:0:1-1 Fixed: LastAffected: Limit:} {Introduced: Fixed:0:2-1 LastAffected: Limit:}]"}, ""},
		{"no fix", and(test1(1), test1(7)), []string{"R:8 a [{Introduced:0 Fixed: LastAffected: Limit:}]"}, ""},
		{"one version", and(test1(1), test1(8)), []string{"R:8 a [{Introduced:0:5-1 Fixed: LastAffected: Limit:} {Introduced: Fixed: LastAffected:0:5-1 Limit:}]"}, ""},

		{"no criteria", "", nil, "has no criteria"},
		{"empty criteria", and(), nil, "are empty"},
		{"no release", and(test1(4)), nil, "no release"},
		{"no release in an alternative", or(and(test1(1), test1(4)), test1(4)), nil, "no release"},
		{"no package", and(test1(1)), nil, "no package"},
		{"only with another package", and(test1(1), test1(4), test1(5)), nil, "only if another one is installed"},
		{"a version of two ranges", and(test1(1), test1(4), test1(8)), nil, "a fix and a last affected version"},
		{"another operator", strings.Replace(and(test1(1), test1(4)), "AND", "ONE", 1), nil, "unsupported operator"},
		{"negated", strings.Replace(and(test1(1), test1(4)), "<criteria ", `<criteria negate="true" `, 1), nil, "negated"},
		{"a negated test", strings.Replace(and(test1(1), test1(4)), "<criterion ", `<criterion negate="true" `, 1), nil, "negated"},
		{"another definition", and(test1(1), test1(4), `<extend_definition definition_ref="oval:org.example:def:2"/>`), nil, "extends another"},
		{"none satisfy", and(test1(1), test1(10)), nil, "unsupported check"},
		{"a pattern", and(test1(1), test1(11)), nil, "unsupported name"},
		{"an unknown condition", and(test1(1), test1(12)), nil, "unsupported element"},
		{"no object", and(test1(1), test1(13)), nil, "is missing"},
		{"no state", and(test1(1), test1(14)), nil, "is missing"},
		{"a variable", and(test1(1), test1(15)), nil, "variable"},
		{"an unknown operation", and(test1(1), test1(16)), nil, "unsupported operation"},
		{"two objects of one ID", and(test1(1), test1(17)), nil, "the same ID"},
		{"a variable name", and(test1(1), test1(18)), nil, "variable"},
		{"two versions", and(test1(1), test1(19)), nil, "several elements"},
		{"no test", and(test1(1), test1(98)), nil, "is missing"},
		{"a test of another document", and(test1(1), `<criterion test_ref="oval:org.other:tst:4"/>`), nil, "is not an ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := affected(t, document(tt.criteria))
			if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, %v, want %q, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestAlternatives: the number of alternatives of small criteria is bounded.
func TestAlternatives(t *testing.T) {
	both := or(test1(4), test1(7))
	if _, err := affected(t, document(and(slices.Repeat([]string{both}, 40)...))); err == nil || !strings.Contains(err.Error(), "alternatives") {
		t.Errorf("error %v", err)
	}
}

// TestWork: the combinations are bounded too, if few alternatives are left of them.
func TestWork(t *testing.T) {
	both := or(slices.Repeat([]string{test1(4)}, 1<<13)...)
	if _, err := affected(t, document(and(append([]string{both}, slices.Repeat([]string{or(test1(1))}, 1<<11)...)...))); err == nil || !strings.Contains(err.Error(), "combinations") {
		t.Errorf("error %v", err)
	}
}

func TestDocuments(t *testing.T) {
	good := document(and(test1(1), test1(4)))
	replaced := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, tt := range map[string]struct{ doc, err string }{
		"plain":                    {good, ""},
		"with a byte order mark":   {"\xef\xbb\xbf" + good, ""},
		"empty":                    {"", "empty"},
		"a page":                   {"<!DOCTYPE html><html></html>", "document type"},
		"an entity":                {replaced("<oval_definitions", `<!DOCTYPE x [<!ENTITY e "A">]><oval_definitions`), "document type"},
		"an undefined entity":      {replaced(" A ", "&e;"), "invalid character entity"},
		"another root":             {"<a/>", `in place of "oval_definitions"`},
		"two roots":                {good + "<a/>", `in place of "oval_definitions"`},
		"cut off":                  {good[:len(good)-1], "EOF"},
		"cut off in a tag":         {good[:len(good)/2], "EOF"},
		"text":                     {"?", "read archive"},
		"another encoding":         {replaced("UTF-8", "ISO-8859-1"), "encoding"},
		"nested":                   {replaced(" A ", strings.Repeat("<a>", 70)+strings.Repeat("</a>", 70)), "nested deeper"},
		"nested endlessly":         {replaced(" A ", strings.Repeat("<a>", 1<<20)), "nested deeper"},
		"no definitions":           {replaced("definitions>", "d>"), "closed by"},
		"an empty list":            {"<oval_definitions><definitions/></oval_definitions>", "no definitions"},
		"a definition of another":  {replaced("org.example:def", "org.other:def"), "is not of"},
		"a test of another":        {replaced(`test id="oval:org.example`, `test id="oval:org.other`), "is not an ID"},
		"a test without a number":  {replaced(`test id="oval:org.example:tst:1"`, `test id="oval:org.example:tst:x"`), "is not an ID"},
		"an element without bound": {replaced(" A ", strings.Repeat("A", maxElement+1<<20)), "an element has more than"},
	} {
		if _, err := affected(t, tt.doc); (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", name, err, tt.err)
		}
	}
}

func TestCompressed(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(document(and(test1(1), test1(4))))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range Read(write(t, packed.Bytes()), "org.example") {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d definitions", n)
	}
	var failed error
	for _, err := range Read(write(t, packed.Bytes()[:packed.Len()-4]), "org.example") {
		failed = errors.Join(failed, err)
	}
	if failed == nil {
		t.Error("a truncated archive is not an error")
	}
}

// TestMany: definitions are read one at a time.
func TestMany(t *testing.T) {
	good := document(and(test1(1), test1(4)))
	begin, end := strings.Index(good, "<definition id"), strings.Index(good, "</definitions>")
	doc := good[:begin] + strings.Repeat(strings.Replace(good[begin:end], " A ", strings.Repeat("A", 100<<10), 1), 300) + good[end:]
	n := 0
	for d, err := range Read(write(t, []byte(doc)), "org.example") {
		if err != nil || len(d.Metadata.Title) != 100<<10 {
			t.Fatal(err)
		}
		n++
	}
	if n != 300 {
		t.Errorf("%d definitions, want 300", n)
	}
}

// FuzzRead: whatever a document has, reading it ends without a panic, and what is affected
// names a release and a package.
func FuzzRead(f *testing.F) {
	f.Add([]byte(document(and(test1(1), or(test1(4), and(test1(2), test1(5)))))))
	f.Add([]byte(document(or(and(test1(1), test1(7)), test1(17)))))
	for _, name := range []string{"azure-linux/vunnel/mariner-truncated-2.0-oval.xml", "suse-oval/vunnel/suse_truncated.xml"} {
		b, err := os.ReadFile(testkit.Path(f, "feeds", filepath.FromSlash(name)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("org.opensuse.security"), []byte("org.example")), []byte("com.microsoft.cbl-mariner"), []byte("org.example")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for d, err := range Read(write(t, b), "org.example") {
			if err != nil {
				break
			}
			all, err := d.Affected(fact)
			if err != nil {
				continue
			}
			for _, a := range all {
				if a.Release == "" || a.Package == "" || len(a.events()) == 0 {
					t.Errorf("%+v", a)
				}
			}
		}
	})
}
