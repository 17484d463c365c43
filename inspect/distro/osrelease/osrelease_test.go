package osrelease

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// Every file in the test data, compared with its index.
func TestParseRealFiles(t *testing.T) {
	type entry struct {
		File      string  `json:"file"`
		ID        *string `json:"id"`
		IDLike    *string `json:"id_like"`
		VersionID *string `json:"version_id"`
		Codename  *string `json:"codename"`
	}
	text, err := os.ReadFile(testkit.Path(t, "pkgdb", "os-release", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index []entry
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	str := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	known := 0
	for _, e := range index {
		f, err := os.Open(testkit.Path(t, "pkgdb", "os-release", e.File))
		if err != nil {
			t.Fatal(err)
		}
		sys, err := Parse(f)
		f.Close()
		want := inventory.System{
			ID: str(e.ID), VersionID: str(e.VersionID), Codename: str(e.Codename), IDLike: strings.Fields(str(e.IDLike)),
		}
		if e.ID == nil {
			// Other files: assignments to other variables, or none at all.
			switch {
			case strings.HasSuffix(e.File, ".os-release"), strings.HasSuffix(e.File, ".lsb-release"):
				want.ID = "linux"
			default:
				if err == nil || sys.Known() {
					t.Errorf("%s: %+v without an error", e.File, sys)
				}
				continue
			}
		}
		known++
		if err != nil {
			t.Errorf("%s: %v", e.File, err)
		}
		if sys.ID != want.ID || sys.VersionID != want.VersionID || sys.Codename != want.Codename || !slices.Equal(sys.IDLike, want.IDLike) {
			t.Errorf("%s: %+v, want %+v", e.File, sys, want)
		}
	}
	if known < 150 || len(index)-known < 30 {
		t.Errorf("%d files that name a system and %d that do not", known, len(index)-known)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       inventory.System
		fails      bool
	}{
		{"empty", "", inventory.System{ID: "linux"}, false},
		{"comments", "# nothing\n\n  # more\n", inventory.System{ID: "linux"}, false},
		{"all fields", "ID=debian\nID_LIKE=\"a  b\"\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\n" +
			"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nCPE_NAME=\"cpe:/o:debian:debian_linux:12\"\n",
			inventory.System{ID: "debian", IDLike: []string{"a", "b"}, VersionID: "12", Codename: "bookworm",
				PrettyName: "Debian GNU/Linux 12 (bookworm)", CPE: "cpe:/o:debian:debian_linux:12"}, false},
		{"testing", "PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nVERSION_CODENAME=trixie\nID=debian",
			inventory.System{ID: "debian", Codename: "trixie", PrettyName: "Debian GNU/Linux trixie/sid"}, false},
		{"the last wins", "ID=a\nID=b\n", inventory.System{ID: "b"}, false},
		{"empty values", "ID=\nID_LIKE=\"\"\nVERSION_ID=''\n", inventory.System{ID: "linux"}, false},
		{"windows", "ID=debian\r\nVERSION_ID=\"9\"\r\n", inventory.System{ID: "debian", VersionID: "9"}, false},
		{"unquoted spaces", "ID=x\nPRETTY_NAME=My Own 1\n", inventory.System{ID: "x", PrettyName: "My Own 1"}, false},
		{"one bad line", "ID=x\nnonsense\nVERSION_ID=1\n", inventory.System{ID: "x", VersionID: "1"}, true},
		{"no end of quote", "ID=x\nPRETTY_NAME=\"My\n", inventory.System{ID: "x"}, true},
		{"no key", "=x\n", inventory.System{}, true},
		{"space at the sign", "ID =x\n", inventory.System{}, true},
		{"text", "CentOS Linux release 7.6\n", inventory.System{}, true},
		{"zeros", strings.Repeat("\x00", 500), inventory.System{}, true},
		{"not UTF-8", "ID=x\nPRETTY_NAME=\"caf\xe9\"\n", inventory.System{ID: "x", PrettyName: `caf\xe9`}, false},
		{"too large", "ID=x\n" + strings.Repeat("#\n", Limit), inventory.System{}, true},
		{"as large as may be", "ID=x\n" + strings.Repeat("#", Limit-5), inventory.System{ID: "x"}, false},
	} {
		got, err := Parse(strings.NewReader(c.text))
		if (err != nil) != c.fails || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// A line that cannot identify the system is stray.
func TestStrayLine(t *testing.T) {
	for text, stray := range map[string]bool{
		"ID=x\nVERSION_ID=1\nnonsense\n":                  true,
		"a stray line\nID=x\nVERSION_CODENAME=c\n":        true,
		"ID=x\nVERSION_ID=1\nMY-KEY=1\n":                  true,
		"ID=x\nVERSION_ID=1\n\x00\x01\n":                  true,
		"ID=x\nVERSION_ID=1\nVERSION_ID 2\n":              false,
		"ID=x\nVERSION_ID=1\nexport ID=y\n":               false,
		"ID=x\nVERSION_ID=1\nVERSION_CODENAME =y\n":       false,
		"ID=x\nVERSION_ID=1\nPRETTY_NAME=\"x\n":           false,
		"ID=x\nVERSION_ID=1\nnonsense\nPRETTY_NAME=\"x\n": false,
		"ID=x\nnonsense\n":                                false,
		"VERSION_ID=1\nnonsense\n":                        false,
		"nonsense\n":                                      false,
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil || errors.Is(err, ErrStray) != stray {
			t.Errorf("%q: %v", text, err)
		}
	}
	sys, err := ParseLSBRelease(strings.NewReader("DISTRIB_ID=X\nDISTRIB_RELEASE=1\nnonsense\n"))
	if sys.ID != "x" || !errors.Is(err, ErrStray) {
		t.Errorf("%+v, %v", sys, err)
	}
}

// The shell's interpretation of the same line.
func TestUnquoteAsAShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		testkit.Missing(t, "sh, to compare with")
	}
	for _, word := range []string{
		`plain`, `"double quoted"`, `'single quoted'`, `"a 'b' c"`, `'a "b" c'`, `"a\"b\\c\d\$e"`, `'a\b'`,
		`a\ b\"c`, `pre"mid dle"'post'`, `""`, `''`, ``, `"#x"`, `a#b`, `a # b`, `"\` + "`" + `"`, `"tail"   `,
		`12.04`, `cpe:/o:x:y:1`, `"é ü"`,
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte("X="+word+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want, err := exec.CommandContext(t.Context(), sh, "-c", `. "$0"; printf %s "$X"`, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := assignment(strings.TrimSpace("X=" + word))
		if got != string(want) || err != nil {
			t.Errorf("%s: %q, %v; sh says %q", word, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ID=debian\nVERSION_ID=\"12\"\nID_LIKE='a b'\n# c\n")
	f.Add("ID=\"a\\\"b\"\nPRETTY_NAME='x")
	f.Add("12.5\n")
	f.Add("trixie/sid")
	f.Add("CentOS Linux release 7.6.1810 (Core)\n")
	f.Add("DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=12.04\n")
	f.Fuzz(func(t *testing.T, text string) {
		sys, err := Parse(strings.NewReader(text))
		if err == nil && !sys.Known() {
			t.Error("no system and no error")
		}
		for _, s := range append([]string{sys.ID, sys.VersionID, sys.Codename, sys.PrettyName, sys.CPE}, sys.IDLike...) {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not UTF-8", s)
			}
		}
		for _, src := range Sources()[2:] {
			older, err := src.Parse(strings.NewReader(text))
			if err == nil && !older.Known() && !strings.HasSuffix(src.Path, "lsb-release") {
				t.Errorf("%s: neither a system nor an error", src.Path)
			}
			if _, err := json.Marshal(older); err != nil || !utf8.ValidString(older.ID+older.VersionID+older.PrettyName) {
				t.Errorf("%s: %+v, %v", src.Path, older, err)
			}
		}
		// A value that is quoted for a shell is returned unchanged, except for control
		// characters and surrounding space, which a line cannot contain.
		value := strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, inventory.Text(text)))
		if value == "" || len(value) > Limit/8 {
			return
		}
		quoted := "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		back, err := Parse(strings.NewReader(fmt.Sprintf("ID=%s\n", quoted)))
		if err != nil || back.ID != value {
			t.Errorf("%q came back as %q, %v", value, back.ID, err)
		}
	})
}
