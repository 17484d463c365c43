package repositories_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"assay/inspect/distro/repositories"
)

// Shortened files of Debian, Ubuntu, Alpine, Fedora, UBI and openSUSE images, and other
// forms that sources.list(5), apk-repositories(5) and dnf.conf(5) allow.
func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, typ string
		place     int // index in For
		text      string
		want      []string
	}{
		{"one line", "deb", 0, `# See http://help.ubuntu.com/community/UpgradeNotes
deb http://archive.ubuntu.com/ubuntu/ jammy main restricted
# deb-src http://archive.ubuntu.com/ubuntu/ jammy main restricted
deb-src http://archive.ubuntu.com/ubuntu/ jammy-proposed main
   deb	http://archive.ubuntu.com/ubuntu/	jammy-updates	main # since 2022
#deb http://security.ubuntu.com/ubuntu/ jammy-security main
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] https://user:secret@apt.example.com/ stable main
deb [ trusted=yes ] file:/srv/repo ./
deb cdrom:[Debian
deb

`, []string{"jammy", "jammy-updates", "stable", "./"}},
		{"deb822", "deb", 2, `Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
Suites: source

types: deb deb-src
SUITES:
 bookworm-security
# between
	bookworm-backports
Description: a
 suite: x
Enabled: yes

Types: deb
Suites: off
Enabled: no


Suites: no-types`, []string{"bookworm", "bookworm-updates", "bookworm-security", "bookworm-backports"}},
		{"apk", "apk", 0, `https://dl-cdn.alpinelinux.org/alpine/v3.22/main
https://dl-cdn.alpinelinux.org/alpine/v3.22/community/
#https://dl-cdn.alpinelinux.org/alpine/edge/main
@testing https://dl-cdn.alpinelinux.org/alpine/edge/testing
https://user:secret@mirror.example.com/os
https://mirror.example.com
/srv/packages/local/repo
http://[bad

`, []string{"v3.22/main", "v3.22/community", "os", "local/repo"}},
		{"dnf", "rpm", 0, `[fedora]
name=Fedora $releasever - $basearch
metalink=https://mirrors.fedoraproject.org/metalink?repo=fedora-$releasever&arch=$basearch
enabled=1

[fedora-source]
enabled = 0
[ubi-9-baseos-rpms]
baseurl = https://user:secret@cdn-ubi.redhat.com/content
# enabled = 0
[off]
enabled=False
[repo-oss]
autorefresh=1
`, []string{"fedora", "ubi-9-baseos-rpms", "repo-oss"}},
		{"yum.conf", "rpm", 1, "[main]\ncachedir=/var/cache/yum\n", nil},
		{"empty", "deb", 0, "", nil},
		{"empty", "deb", 2, "\n\n", nil},
		{"not UTF-8", "apk", 0, "http://h/a/\xff\n", []string{`a/\xff`}},
	} {
		t.Run(tt.typ+" "+tt.name, func(t *testing.T) {
			got, err := repositories.For(tt.typ)[tt.place].Read(strings.NewReader(tt.text))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if got := repositories.For("npm"); got != nil {
		t.Errorf("places for npm: %v", got)
	}
}

// TestBounds: a file beyond a bound is an error, so that no names are returned.
func TestBounds(t *testing.T) {
	var many, long strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "deb http://h/ suite%d main\n", i)
	}
	long.WriteString("deb http://h/ " + strings.Repeat("x", 1000) + " main\n")
	for name, text := range map[string]string{"many": many.String(), "long": long.String(), "one line": strings.Repeat("x", 1<<20)} {
		if got, err := repositories.For("deb")[0].Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %d names", name, len(got))
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"deb [a=b] http://h/ s main\n", "Types: deb\nSuites: a\n b\n\n", "https://h/v3.22/main\n", "[a]\nenabled=0\n[b]\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, typ := range []string{"deb", "apk", "rpm"} {
			for _, src := range repositories.For(typ) {
				got, err := src.Read(strings.NewReader(text))
				if err != nil {
					continue
				}
				if len(got) > 200 {
					t.Errorf("%s: %d names", src.Path, len(got))
				}
				for _, name := range got {
					if name == "" || len(name) > 4*128 {
						t.Errorf("%s: name %q", src.Path, name)
					}
				}
			}
		}
	})
}
