package program

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/elftest"
	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// TestNative reads programs of this machine, and compares their versions with what they print.
func TestNative(t *testing.T) {
	known := map[string]bool{}
	for _, tt := range []struct {
		name, path string
		args       []string
	}{
		{"bash", "bash", []string{"--version"}},
		{"busybox", "busybox", []string{"--help"}},
		{"curl", "curl", []string{"--version"}},
		{"haproxy", "haproxy", []string{"-v"}},
		{"node", "node", []string{"--version"}},
		{"openssl", "openssl", []string{"version"}},
		{"perl", "perl", []string{"--version"}},
		{"php", "php", []string{"--version"}},
		{"postgresql", "/usr/lib/postgresql/*/bin/postgres", []string{"--version"}},
		{"python", "/usr/bin/python3", []string{"--version"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, err := exec.LookPath(tt.path)
			if found, _ := filepath.Glob(tt.path); err != nil && len(found) > 0 {
				path, err = found[0], nil
			}
			if err == nil {
				path, err = filepath.EvalSymlinks(path)
			}
			if err != nil {
				testkit.Missing(t, "%s: %v", tt.name, err)
			}
			out, _ := exec.Command(path, tt.args...).CombinedOutput() // some end with an error
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found, err := Read(opened(t, content), strings.TrimPrefix(path, "/"))
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %+v, %v", path, found, err)
			}
			p := found[0]
			if p.Name != tt.name || p.Type != "generic" || !strings.Contains(p.CPE, ":"+p.Version+":") || p.Evidence[0].Path != strings.TrimPrefix(path, "/") {
				t.Errorf("%+v", p)
			}
			if !printed(string(out), p.Version) {
				t.Errorf("version %q, and it prints %q", p.Version, out)
			}
			known[p.Name] = true
		})
	}
	t.Logf("%d programs", len(known))
}

// printed reports whether an output has a version as a word of its own.
func printed(out, version string) bool {
	for rest := out; ; {
		i := strings.Index(rest, version)
		if i < 0 {
			return false
		}
		end := i + len(version)
		if end == len(rest) || !strings.ContainsAny(rest[end:end+1], "0123456789.") {
			return true
		}
		rest = rest[end:]
	}
}

func opened(t testing.TB, content []byte) *elf.File {
	t.Helper()
	f, err := elf.Open(bytes.NewReader(content), int64(len(content)), Sections()...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// withTexts returns a program with constant texts.
func withTexts(texts string) []byte { return elftest.Program(".rodata", []byte(texts)) }

// TestTexts: the texts are those of the programs of Debian 12, or of the projects' own builds,
// among others that are no evidence.
func TestTexts(t *testing.T) {
	for _, tt := range []struct {
		file, texts, want string // want is NAME VERSION; empty if nothing is found
		fails             bool
	}{
		{"usr/sbin/nginx", "\x00nginx version: nginx/1.22.1\n\x00<center>nginx/1.0.0</center>\x00", "nginx 1.22.1", false},
		{"usr/sbin/apache2", "\x00Apache/2.4.71 (Debian)\x00Apache/2.4\x00Apache/2\x00Apache/2.4.71\x00", "httpd 2.4.71", false},
		{"usr/sbin/haproxy", "\x00 version 2.6.12-1+deb12u4, released 2026/10/17\x00", "haproxy 2.6.12", false},
		{"usr/local/sbin/haproxy", "\x00 version 2.8.3, released 2023/09/07\x00", "haproxy 2.8.3", false},
		{"usr/bin/memcached", "\x00memcached 1.6.18\x00VERSION 1.6.18\x00", "memcached 1.6.18", false},
		{"usr/sbin/mariadbd", "\x00STATUS=MariaDB server is down\x0010.11.19-MariaDB\x00", "mariadb 10.11.19", false},
		{"usr/sbin/mysqld", "\x008.0.35\x00", "", false},
		{"usr/bin/postgres", "\x00PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64, compiled by gcc\x00upgrading to PostgreSQL 9.1.\x00", "postgresql 15.18", false},
		{"usr/lib/libcrypto.so.3", "\x00OpenSSL 3.0.19 27 Jan 2026\x00", "openssl 3.0.19", false},
		{"usr/lib/libcrypto.so.1.1", "\x00OpenSSL 1.1.1w  11 Sep 2023\x00", "openssl 1.1.1w", false},
		{"usr/lib/libcurl.so.4.8.0", "\x00libcurl/7.88.1\x00", "libcurl 7.88.1", false},
		{"usr/lib/libsqlite3.so.0.8.6", "\x003.40.1\x002022-12-28\x00", "sqlite 3.40.1", false},
		{"usr/bin/ruby3.1", "\x00ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux]\x00for ruby 1.8)\x00", "ruby 3.1.2", false},
		{"usr/lib/libruby-3.1.so.3.1.2", "\x00ruby 3.1.2p20 (2022-04-12)\x00", "ruby 3.1.2", false},
		{"usr/local/lib/libpython3.11.so.1.0", "\x003.11.2\x003.12.1\x00", "python 3.11.2", false},
		{"usr/local/bin/python3.13", "\x003.13.0rc1\x00", "python 3.13.0rc1", false},
		{"usr/local/bin/python3", "\x003.13.0\x00", "", false},
		{"usr/sbin/sshd", "\x00OpenSSH_9.2p1 Debian-2+deb12u10\x00OpenSSH_9.2\x00OpenSSH_2.*,OpenSSH_3.0*\x00", "openssh 9.2p1", false},
		{"usr/sbin/varnishd", "\x00varnish-7.1.1 revision 7cee1c5\x00", "varnish 7.1.1", false},
		{"usr/sbin/vsftpd", "\x00(vsFTPd 3.0.3)\x00", "vsftpd 3.0.3", false},
		{"usr/bin/lua5.4", "\x00Lua 5.4.4  Copyright (C) 1994-2022 Lua.org, PUC-Rio\x00Lua 5.4\x00", "lua 5.4.4", false},
		{"usr/sbin/named", "\x00named version: BIND 9.18.49-1~deb12u3-Debian <>\x00", "bind 9.18.49", false},
		{"usr/lib/libMagickCore-6.Q16.so.6.0.0", "\x00ImageMagick 6.9.11-60 Q16 x86_64\x00", "imagemagick 6.9.11-60", false},
		{"usr/sbin/proftpd", "\x00ProFTPD 1.3.8 standalone mode SHUTDOWN\x00", "proftpd 1.3.8", false},
		{"usr/bin/php8.2", "\x00X-Powered-By: PHP/8.2.36\x00", "php 8.2.36", false},
		{"usr/sbin/php-fpm8.2", "\x00X-Powered-By: PHP/8.1.2-1ubuntu2\x00", "php 8.1.2", false},

		{"usr/bin/app", "\x00nginx version: nginx/1.22.1\x00", "", false},
		{"usr/bin/nginx-log", "\x00nginx version: nginx/1.22.1\x00", "", false},
		{"usr/sbin/nginx", "\x00nginx version: nginx/1.22.1\x00\x00nginx version: nginx/1.24.0\x00", "", true},
		{"usr/sbin/nginx", "\x00see nginx version: nginx/1.22.1\x00", "", false},
		{"usr/sbin/nginx", "\x00nginx version: nginx/1.22.1", "", false}, // cut off
		{"usr/bin/node", "\x00node.js/v20.20.2 or later\x00", "", false},
		{"usr/bin/node", "\x00node.js/v" + strings.Repeat("1", 100) + "\x00", "", false},
	} {
		found, err := Read(opened(t, withTexts(tt.texts)), tt.file)
		got := ""
		for _, p := range found {
			got += p.Name + " " + p.Version
		}
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s %q: %q, %v, want %q", tt.file, tt.texts, got, err, tt.want)
		}
	}
}

// A program runs without the names of its sections. Its version is then unknown, which must be
// said.
func TestNoSections(t *testing.T) {
	b := withTexts("\x00nginx version: nginx/1.22.1\x00")
	clear(b[40:48])
	clear(b[58:64])
	if found, err := Read(opened(t, b), "usr/sbin/nginx"); err == nil || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := Read(opened(t, b), "usr/bin/app"); err != nil || len(found) > 0 {
		t.Errorf("another program: %+v, %v", found, err)
	}
}

// Evidence is found wherever the windows end.
func TestWindows(t *testing.T) {
	for file, evidence := range map[string]string{
		"usr/sbin/nginx": "\x00nginx version: nginx/1.22.1\x00", "usr/sbin/mariadbd": "\x0010.11.19-MariaDB\x00",
	} {
		for shift := range len(evidence) + 2 {
			texts := strings.Repeat("x", window-shift) + evidence + strings.Repeat("y", overlap)
			found, err := Read(opened(t, withTexts(texts)), file)
			if err != nil || len(found) != 1 {
				t.Errorf("%s, %d bytes before the end of a window: %v, %v", file, shift, found, err)
			}
		}
	}
}

// A file with more texts than are read is not one without a version.
func TestManyTexts(t *testing.T) {
	b := withTexts("\x00nginx version: nginx/1.22.1\x00")
	const sectionSize = 64 + 56 + 64 + 32
	binary.LittleEndian.PutUint64(b[sectionSize:], maxTexts+1)
	const segmentSize = 64 + 32
	binary.LittleEndian.PutUint64(b[segmentSize:], maxTexts+1)
	if found, err := Read(opened(t, b), "usr/sbin/nginx"); err == nil {
		t.Errorf("%+v", found)
	}
	if found, err := Read(opened(t, b), "usr/bin/app"); err != nil || len(found) > 0 {
		t.Errorf("a file of another name: %+v, %v", found, err)
	}
}

// A row of the table recognises its own names, and no other row recognises them.
func TestTable(t *testing.T) {
	names := map[string]string{}
	for _, p := range programs {
		for _, pattern := range p.files {
			for _, version := range []string{"", "3.1"} {
				base := strings.NewReplacer("*", ".1", "#", version).Replace(pattern)
				if found, ok := find(base); !ok || found.name != p.name {
					t.Errorf("%q is recognised as %q, not as %q", base, found.name, p.name)
				}
				if other, ok := names[base]; ok && other != p.name {
					t.Errorf("%q is the file of %q and %q", base, other, p.name)
				}
				names[base] = p.name
			}
		}
		if p.vendor == "" || p.product == "" || len(p.after) == 0 || p.parts < 2 {
			t.Errorf("the row of %q is not complete", p.name)
		}
	}
	if len(programs) < 20 {
		t.Errorf("%d programs", len(programs))
	}
}

func TestErlang(t *testing.T) {
	for path, want := range map[string]bool{
		"usr/lib/erlang/releases/25/OTP_VERSION": true, "releases/25/OTP_VERSION": true,
		"usr/lib/erlang/releases/x/OTP_VERSION": false, "usr/lib/25/OTP_VERSION": false, "OTP_VERSION": false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("Wants(%q) = %t", path, got)
		}
	}
	found, err := ReadVersion(strings.NewReader("25.2.3\n"), "x/releases/25/OTP_VERSION")
	if err != nil || len(found) != 1 || found[0].Version != "25.2.3" || found[0].CPE != `cpe:2.3:a:erlang:erlang\/otp:25.2.3:*:*:*:*:*:*:*` {
		t.Errorf("%+v, %v", found, err)
	}
	for _, text := range []string{"", "\n", "a b", "x", strings.Repeat("1", Limit+1)} {
		if found, err := ReadVersion(strings.NewReader(text), "x"); err == nil {
			t.Errorf("%.20q: %+v", text, found)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, p := range programs {
		f.Add(slices.IndexFunc(programs, func(o program) bool { return o.name == p.name }), p.before+"1.2.3"+p.after[0])
	}
	f.Fuzz(func(t *testing.T, row int, texts string) {
		p := programs[max(0, row)%len(programs)]
		base := strings.NewReplacer("*", ".1", "#", "3.1").Replace(p.files[0])
		found, err := Read(opened(t, withTexts(texts)), "usr/bin/"+base)
		if err != nil && len(found) > 0 {
			t.Errorf("%+v, %v", found, err)
		}
		for _, p := range found {
			if len(p.Version) > maxVersion || strings.ContainsAny(p.Version, " \x00\n:*\\") || inventory.Text(p.Version) != p.Version {
				t.Errorf("%+v", p)
			}
		}
	})
}

// What follows the versions of MariaDB may be repeated without an end, and the work for a file
// stays proportional to its size: each version is searched for where it can begin.
func TestManySuffixes(t *testing.T) {
	texts := strings.Repeat("-MariaDB", 4*window/len("-MariaDB"))
	found, err := Read(opened(t, withTexts(texts+"\x0010.11.19-MariaDB\x00")), "usr/sbin/mariadbd")
	if err != nil || len(found) != 1 || found[0].Version != "10.11.19" {
		t.Errorf("%+v, %v", found, err)
	}
}
