package program

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
		{"usr/local/bin/python3", "\x003.2.0\x003.13.0\x00  PYTHONHOME = \x00", "python 3.13.0", false},
		{"usr/local/bin/python3.2", "\x003.2.0\x00  PYTHONHOME = \x00", "python 3.2.0", false},
		{"usr/sbin/sshd", "\x00OpenSSH_9.2p1 Debian-2+deb12u10\x00OpenSSH_9.2\x00OpenSSH_2.*,OpenSSH_3.0*\x00", "openssh 9.2p1", false},
		{"usr/sbin/varnishd", "\x00varnish-7.1.1 revision 7cee1c5\x00", "varnish 7.1.1", false},
		{"usr/sbin/vsftpd", "\x00(vsFTPd 3.0.3)\x00", "vsftpd 3.0.3", false},
		{"usr/bin/lua5.4", "\x00Lua 5.4.4  Copyright (C) 1994-2022 Lua.org, PUC-Rio\x00Lua 5.4\x00", "lua 5.4.4", false},
		{"usr/sbin/named", "\x00named version: BIND 9.18.49-1~deb12u3-Debian <>\x00", "bind 9.18.49", false},
		{"usr/lib/libMagickCore-6.Q16.so.6.0.0", "\x00ImageMagick 6.9.11-60 Q16 x86_64\x00", "imagemagick 6.9.11-60", false},
		{"usr/sbin/proftpd", "\x00ProFTPD 1.3.8 standalone mode SHUTDOWN\x00", "proftpd 1.3.8", false},
		{"usr/bin/php8.2", "\x00X-Powered-By: PHP/8.2.36\x00", "php 8.2.36", false},
		{"usr/sbin/php-fpm8.2", "\x00X-Powered-By: PHP/8.1.2-1ubuntu2\x00", "php 8.1.2", false},

		// Of Debian's builds, and of the projects' own images.
		{"usr/bin/git", "\xff\xfe\xfegit/2.39.5\x00GIT_USER_AGENT\x00\x002.39.5\x00", "git 2.39.5", false},
		{"usr/bin/redis-server", "\x007.0.15\x00c11-builtin\x00\xc0\xff\xff\xff\xdfA7.0.151790282056000000000\x00%llx\x00", "redis 7.0.15", false},
		{"usr/bin/redis-server", "\x008.0.6\x0016.2.0\x00txt\x008.0.61790283218000000000\x00", "redis 8.0.6", false},
		{"usr/bin/redis-server", "\x007.2.3\x00H+\x9e)7.2.3buildkitsandbox-1702957734000000000\x00", "redis 7.2.3", false},
		{"usr/bin/redis-server", "\x007.0.0\x00%llx\x00\x00\x007.0.0e11381fbd8bd-1653733480000000000\x00CACHING", "redis 7.0.0", false},
		{"usr/bin/redis-server", "\x004.0.1\x004.0.11\x00\n}\x0000000000\x00\x00\x004.0.11841ce7054bd9-1542359302000000000\x00", "", true},
		{"usr/bin/redis-server", "\x007.2.3\x00", "", false},
		{"usr/bin/redis-server", "\x007.2.3\x00Redis version=%s, bits=%d\x00", "", true},
		{"usr/bin/valkey-server", "\x009.1.2\x007.2.4\x00\x00valkey9.1.21789267002000000000\x00", "valkey 9.1.2", false},
		{"usr/bin/valkey-server", "\x009.0.0\x007.2.4\x00\x00valkey9.0.0buildkitsandbox-1764887574000000000\x00\x00", "valkey 9.0.0", false},
		{"usr/sbin/mysqld", "m_json\x00load_aliases\x00../../mysql-9.7.0/sql/log.cc\x00%.*s\n\x00/usr/lib64/mysql/plugin\x00", "mysql 9.7.0", false},
		{"usr/sbin/mysqld", "e_time\x00-cluster-gpl\x005.7.33-ndb-7.6.17\x00x86_64\x00Linux\x00%s  Ver %s for %s on %s (%s)\n\x00", "", true},
		{"usr/sbin/nginx", "arameter\x00\x00nginx version: openresty/1.21.4.3\n\x00", "openresty 1.21.4.3", false},
		{"usr/bin/postgres", "%s is the PostgreSQL server.\x00PostgreSQL 17beta1 on x86_64-pc-linux-gnu\x00", "postgresql 17beta1", false},
		{"usr/bin/postgres", "\x00PostgreSQL 18devel on x86_64\x00", "postgresql 18devel", false},
		{"usr/sbin/nginx", "\x00nginx version: nginx/1.27.0-rc\x00", "nginx 1.27.0-rc", false},
		{"usr/sbin/nginx", "\x00nginx version: Tengine/3.1.0\x00", "", true},
		{"usr/sbin/haproxy", "\x00 version 2.9-dev5-1a2b3c, released 2023/09/07\x00", "haproxy 2.9-dev5", false},
		{"usr/bin/php8.4", "\x00X-Powered-By: PHP/8.4.0RC1\x00", "php 8.4.0RC1", false},
		{"usr/bin/php8.4", "\x00X-Powered-By: PHP/8.4.0-dev\x00", "php 8.4.0-dev", false},
		{"usr/bin/ruby", "\x00ruby 3.4.0preview1 (2024-05-16 master) [x86_64-linux]\x00", "ruby 3.4.0preview1", false},
		{"usr/sbin/named", "\x00named version: BIND 9.20.0-rc1 (Development Release) <id:>\x00", "bind 9.20.0-rc1", false},
		{"usr/sbin/varnishd", "\x00varnish-trunk revision 0123\x00", "", true},

		{"usr/bin/app", "\x00nginx version: nginx/1.22.1\x00", "", false},
		{"usr/bin/nginx-log", "\x00nginx version: nginx/1.22.1\x00", "", false},
		{"usr/sbin/nginx", "\x00nginx version: nginx/1.22.1\x00\x00nginx version: nginx/1.24.0\x00", "", true},
		{"usr/sbin/nginx", "\x00see nginx version: nginx/1.22.1\x00", "", true},
		{"usr/sbin/nginx", "\x00nginx version: nginx/1.22.1", "", true}, // cut off
		{"usr/bin/node", "\x00node.js/v20.20.2 or later\x00", "", true},
		{"usr/bin/node", "\x00node.js/v" + strings.Repeat("1", 100) + "\x00", "", true},
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

// A row of the table recognises its own names. Two rows have a name only if one program is a
// variant of the other.
func TestTable(t *testing.T) {
	variants := map[string]string{"mariadb": "mysql", "nginx": "openresty"}
	for i := range programs {
		p := &programs[i]
		for pattern := range strings.SplitSeq(p.files, " ") {
			for _, version := range []string{"", "3.1"} {
				base := strings.NewReplacer("*", ".1", "#", version).Replace(pattern)
				if !p.has(base) {
					t.Errorf("%q is not recognised as %q", base, p.name)
				}
				for _, o := range programs {
					if o.name != p.name && o.has(base) && variants[p.name] != o.name && variants[o.name] != p.name {
						t.Errorf("%q is the file of %q and %q", base, p.name, o.name)
					}
				}
			}
		}
		if vendor, product, _ := strings.Cut(p.product, ":"); vendor == "" || product == "" || !p.isID() && p.after == "" || p.parts < 1 || len(p.identity()) < 6 {
			t.Errorf("the row of %q is not complete", p.name)
		}
	}
	if len(programs) < 30 {
		t.Errorf("%d programs", len(programs))
	}
}

// TestReleases: the texts are those of the projects' releases and of Debian's packages.
func TestReleases(t *testing.T) {
	const nextcloud = "<?php\n\n$OC_Version = [31, 0, 3, 2];\n\n// The human-readable string\n$OC_VersionString = '%s';\n\n// Vendor of this package\n$vendor = '%s';\n"
	const joomla = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<extension type=\"file\" method=\"upgrade\">\n\t<name>%s</name>\n\t<version>4.0.6-rc3</version>\n"
	const phpMyAdmin = "<?php\n\ndeclare(strict_types=1);\n\nnamespace %s;\n\nfinal class Version\n{\n    public const VERSION = '5.2.1' . VERSION_SUFFIX;\n"
	for _, tt := range []struct {
		path, text, want string // want is NAME VERSION; "-" if the path is not wanted
		fails            bool
	}{
		{"usr/lib/erlang/releases/25/OTP_VERSION", "25.2.3\n", "erlang 25.2.3", false},
		{"releases/25/OTP_VERSION", "25.2.3**\n", "erlang 25.2.3", false},
		{"usr/lib/erlang/releases/25/OTP_VERSION", "", "", true},
		{"usr/lib/erlang/releases/25/OTP_VERSION", "a b", "", true},
		{"usr/lib/erlang/releases/x/OTP_VERSION", "25.2.3\n", "-", false},
		{"usr/lib/25/OTP_VERSION", "25.2.3\n", "-", false},
		{"OTP_VERSION", "25.2.3\n", "-", false},

		{"usr/lib/jvm/java-17-openjdk-amd64/release", "IMPLEMENTOR=\"Debian\"\nJAVA_RUNTIME_VERSION=\"17.0.21.1+2-1-deb12u1-Debian\"\nJAVA_VERSION=\"17.0.21.1\"\n", "openjdk 17.0.21.1", false},
		{"opt/java/release", "JAVA_VERSION=\"1.8.0_392\"", "openjdk 1.8.0_392", false},
		{"opt/java/release", "JAVA_VERSION=\"internal\"", "", true},
		{"opt/java/release", "JAVA_VERSION=\"17", "", true},
		{"opt/app/release", "#JAVA_VERSION=\"17\"\nmy release\n", "", false},
		{"opt/app/release.txt", "JAVA_VERSION=\"17\"", "-", false},
		{"usr/share/doc/openjdk/release", "JAVA_VERSION=\"17\"", "-", false},

		{"usr/local/go/VERSION", "go1.21.3\ntime 2023-10-09T17:04:35Z\n", "toolchain 1.21.3", false},
		{"usr/lib/go-1.19/VERSION", "go1.19.8", "toolchain 1.19.8", false},
		{"root/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.24.0.linux-amd64/VERSION", "go1.24rc1\n", "toolchain 1.24rc1", false},
		{"usr/local/go/VERSION", "go1.22.5 X:boringcrypto\n", "toolchain 1.22.5", false},
		{"root/go/src/app/VERSION", "1.2.3\n", "", false},
		{"root/go/src/app/VERSION", "built with\n go1.2.3\n", "", false},
		{"srv/app/VERSION", "go1.21.3\n", "-", false},

		{"var/www/html/includes/Defines.php", "<?php\n\ndefine( 'MW_VERSION', '1.39.17' );\n", "mediawiki 1.39.17", false},
		{"var/www/html/includes/DefaultSettings.php", "\n$wgVersion = '1.34.0-alpha';\n", "mediawiki 1.34.0-alpha", false},
		{"var/www/html/includes/DefaultSettings.php", "<?php\n// from 1.35 on: MW_VERSION\n", "", false},
		{"srv/includes/Defines.php", "<?php\n// define( 'MW_VERSION', '1.39.17' );\n", "", false},
		{"srv/RELEASE-NOTES-1.39", "define( 'MW_VERSION', '1.39.17' );", "-", false},
		{"var/www/html/version.php", fmt.Sprintf(nextcloud, "31.0.3", "nextcloud"), "nextcloud 31.0.3", false},
		{"var/www/html/version.php", fmt.Sprintf(nextcloud, "10.13.1", "owncloud"), "", false},
		{"var/www/html/version.php", fmt.Sprintf(nextcloud, "", "nextcloud"), "", true},
		{"var/www/html/wp-includes/version.php", "<?php\n$wp_version = '6.0';\n", "", false},
		{"srv/administrator/manifests/files/joomla.xml", fmt.Sprintf(joomla, "files_joomla"), "joomla 4.0.6-rc3", false},
		{"srv/administrator/manifests/files/joomla.xml", fmt.Sprintf(joomla, "files_other"), "", false},
		{"srv/administrator/manifests/packages/joomla.xml", fmt.Sprintf(joomla, "files_joomla"), "-", false},
		{"usr/share/phpmyadmin/libraries/classes/Version.php", fmt.Sprintf(phpMyAdmin, "PhpMyAdmin"), "phpmyadmin 5.2.1", false},
		{"srv/src/Version.php", fmt.Sprintf(phpMyAdmin, "App"), "", false},
		{"srv/libraries/classes/Config.php", "        $this->set('PMA_VERSION', '4.9.0.1');\n", "phpmyadmin 4.9.0.1", false},
		{"srv/libraries/classes/Config.php", strings.Repeat("x", Limit+100) + "$this->set('PMA_VERSION', '4.9.0.1');\n", "", false},
		{"srv/libraries/classes/Config.php", "$this->set('PMA_VERSION', '4:9*');\n", "", true},
	} {
		got := "-"
		var err error
		if Wants(tt.path) {
			var found []inventory.Package
			found, err = ReadVersion(strings.NewReader(tt.text), tt.path)
			got = ""
			for _, p := range found {
				got += p.Name + " " + p.Version
				if p.Name != "toolchain" && (p.Type != Type || !strings.Contains(p.CPE, ":"+p.Version+":")) || p.Name == "toolchain" && p.Type != "golang" {
					t.Errorf("%+v", p)
				}
			}
		}
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s %.200q: %q, %v, want %q", tt.path, tt.text, got, err, tt.want)
		}
	}
}

func FuzzReadVersion(f *testing.F) {
	for i, r := range releases {
		f.Add(i, r.before+"1.2.3"+r.after+r.sure)
	}
	f.Fuzz(func(t *testing.T, row int, text string) {
		file := releases[max(0, row)%len(releases)].file
		found, err := ReadVersion(strings.NewReader(text), "go/releases/1/"+file)
		if err != nil && len(found) > 0 {
			t.Errorf("%+v, %v", found, err)
		}
		for _, p := range found {
			if strings.ContainsAny(p.Version, " \x00\n:*\\") || inventory.Text(p.Version) != p.Version {
				t.Errorf("%+v", p)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	for i, p := range programs {
		f.Add(i, p.before+"1.2.3"+p.after)
	}
	f.Add(slices.IndexFunc(programs, func(p program) bool { return p.isID() }), "\x007.2.3\x007.2.3host-1702957734000000000\x00")
	f.Fuzz(func(t *testing.T, row int, texts string) {
		p := programs[max(0, row)%len(programs)]
		file, _, _ := strings.Cut(p.files, " ")
		base := strings.NewReplacer("*", ".1", "#", "3.1").Replace(file)
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
