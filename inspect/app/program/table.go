package program

import "strings"

// A program is a row of the table: how a program or library is recognised, and where its file
// has its version. All texts are those that the programs' own build puts there.
type program struct {
	// name is that of the package.
	name string
	// files are the names of its files, separated by spaces. A "*" at the end stands for
	// anything, and a "#" for a version: nothing, or digits and dots.
	files string
	// before is the text in front of the version. If it begins with a zero byte, another text
	// must end there. The version ends where one of after begins, which are separated by "|".
	before, after string
	// parts is how many numbers the version has at least. A text with fewer numbers is not
	// the whole version.
	parts int
	// sure is a text that no other program has. A file with it and without a version is one
	// whose version could not be read. If it is empty, it is before.
	sure string
	// product is the vendor and the product of its CPE.
	product string
}

// end is the end of a text.
const end = "\x00"

// programs is the table, which is only read. A line is one program.
var programs = []program{
	{"bash", "bash", "@(#)Bash version ", "(", 3, "", "gnu:bash"},
	{"bind", "named", "named version: BIND ", end + "| |-|~", 3, "", "isc:bind"},
	{"busybox", "busybox", end + "BusyBox v", " ", 3, "BusyBox is copyrighted", "busybox:busybox"},
	{"curl", "curl", end + "curl ", " (", 3, "Usage: curl [options", "haxx:curl"},
	{"git", "git git-remote-http", "git/", end, 3, "git version %s", "git-scm:git"},
	{"haproxy", "haproxy", end + " version ", ", released |-", 2, "www.haproxy.org/", "haproxy:haproxy"},
	{"httpd", "httpd apache2", end + "Apache/", end + "| (", 3, " -D HTTPD_ROOT", "apache:http_server"},
	{"imagemagick", "libMagickCore* magick", end + "ImageMagick ", " Q", 3, "ImageMagick Studio", "imagemagick:imagemagick"},
	{"libcurl", "libcurl.so*", end + "libcurl/", end, 3, "", "haxx:libcurl"},
	{"lighttpd", "lighttpd", end + "lighttpd/", end + "| ", 3, "", "lighttpd:lighttpd"},
	{"lua", "lua# luac# liblua#.so*", "Lua ", "  Copyright", 3, "Lua.org, PUC-Rio", "lua:lua"},
	{"mariadb", "mariadbd mysqld", end, "-MariaDB", 3, "MariaDB Corporation Ab", "mariadb:mariadb"},
	{"memcached", "memcached", end + "memcached ", end, 3, "", "memcached:memcached"},
	{"mysql", "mysqld", "/mysql-", "/", 3, "%s  Ver %s for %s on", "oracle:mysql"},
	{"nginx", "nginx nginx-debug", end + "nginx version: nginx/", end + "| |\n", 3, "nginx version: ", "f5:nginx"},
	{"node", "node nodejs", end + "node.js/v", end, 3, "", "nodejs:node.js"},
	{"openresty", "nginx openresty", end + "nginx version: openresty/", end + "| |\n", 3, "", "openresty:openresty"},
	{"openssh", "sshd ssh sshd-session", end + "OpenSSH_", end + "| ", 2, "", "openbsd:openssh"},
	{"openssl", "openssl libcrypto.so* libssl.so*", end + "OpenSSL ", " ", 3, "OPENSSLDIR: ", "openssl:openssl"},
	{"perl", "perl# libperl.so*", end + "v", end, 3, "Larry Wall", "perl:perl"},
	{"php", "php# php-cgi# php-fpm# libphp#.so", end + "X-Powered-By: PHP/", end + "|-", 3, "", "php:php"},
	{"postgresql", "postgres", end + "PostgreSQL ", " on | (", 1, "is the PostgreSQL server", "postgresql:postgresql"},
	{"proftpd", "proftpd", "ProFTPD ", " standalone mode", 3, "ProFTPD Version", "proftpd:proftpd"},
	{"python", "python# libpython#.so*", end, end, 3, "  PYTHONHOME = ", "python:python"},
	{"redis", "redis-server redis-check-rdb redis-check-aof redis-sentinel", "", "", 3, "Redis version", "redis:redis"},
	{"ruby", "ruby# libruby.so* libruby-#.so*", end + "ruby ", " (2|p", 3, "ruby - Copyright (C)", "ruby-lang:ruby"},
	{"sqlite", "libsqlite3.so*", end, end, 3, "SQLite format 3", "sqlite:sqlite"},
	{"squid", "squid", end + "squid/", end, 2, "Squid Cache: Version", "squid-cache:squid"},
	{"unbound", "unbound", end + "unbound ", end, 3, "", "nlnetlabs:unbound"},
	{"valkey", "valkey-server valkey-check-rdb valkey-check-aof valkey-sentinel", "", "", 3, "Valkey version", "lfprojects:valkey"},
	{"varnish", "varnishd", end + "varnish-", " revision", 3, "", "varnish-software:varnish_cache"},
	{"vsftpd", "vsftpd", end + "(vsFTPd ", ")", 3, "", "vsftpd_project:vsftpd"},
}

// isID reports whether a row's version is in front of the ID of a build.
func (p *program) isID() bool { return p.before == "" }

// identity returns a text that no other program has.
func (p *program) identity() string {
	if p.sure != "" {
		return p.sure
	}
	return strings.TrimPrefix(p.before, end)
}

// has reports whether the program has a file of a name.
func (p *program) has(base string) bool {
	for pattern := range strings.SplitSeq(p.files, " ") {
		if matches(pattern, base) {
			return true
		}
	}
	return false
}

// matches reports whether a name is that of a pattern of the table.
func matches(pattern, base string) bool {
	if before, after, ok := strings.Cut(pattern, "#"); ok {
		rest, ok := strings.CutPrefix(base, before)
		if !ok {
			return false
		}
		return matches(after, rest[len(number(rest)):])
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		rest, ok := strings.CutPrefix(base, prefix)
		return ok && !strings.HasSuffix(rest, ".debug")
	}
	return pattern == base
}
