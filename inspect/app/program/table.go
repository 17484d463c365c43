package program

// A program is a row of the table: how a program or library is recognised, and where its file
// has its version. All texts are those that the programs' own build puts there.
type program struct {
	// name is that of the package.
	name string
	// files are the names of its files. A "*" at the end stands for anything, and a "#" for
	// a version: nothing, or digits and dots.
	files []string
	// before is the text in front of the version. If it begins with a zero byte, another text
	// must end there. The version ends where one of after begins.
	before string
	after  []string
	// parts is how many numbers the version has at least. A text with fewer numbers is not
	// the whole version.
	parts int
	// vendor and product are those of its CPE.
	vendor, product string
}

// end is the end of a text.
const end = "\x00"

// programs is the table, which is only read. A line is one program.
var programs = []program{
	{"bash", []string{"bash"}, "@(#)Bash version ", []string{"("}, 3, "gnu", "bash"},
	{"bind", []string{"named"}, "named version: BIND ", []string{end, " ", "-", "~"}, 3, "isc", "bind"},
	{"busybox", []string{"busybox"}, end + "BusyBox v", []string{" "}, 3, "busybox", "busybox"},
	{"curl", []string{"curl"}, end + "curl ", []string{" ("}, 3, "haxx", "curl"},
	{"haproxy", []string{"haproxy"}, end + " version ", []string{", released ", "-"}, 2, "haproxy", "haproxy"},
	{"httpd", []string{"httpd", "apache2"}, end + "Apache/", []string{end, " ("}, 3, "apache", "http_server"},
	{"imagemagick", []string{"libMagickCore*", "magick"}, end + "ImageMagick ", []string{" Q"}, 3, "imagemagick", "imagemagick"},
	{"libcurl", []string{"libcurl.so*"}, end + "libcurl/", []string{end}, 3, "haxx", "libcurl"},
	{"lighttpd", []string{"lighttpd"}, end + "lighttpd/", []string{end, " "}, 3, "lighttpd", "lighttpd"},
	{"lua", []string{"lua#", "luac#", "liblua#.so*"}, end + "Lua ", []string{"  Copyright"}, 3, "lua", "lua"},
	{"mariadb", []string{"mariadbd", "mysqld"}, end, []string{"-MariaDB"}, 3, "mariadb", "mariadb"},
	{"memcached", []string{"memcached"}, end + "memcached ", []string{end}, 3, "memcached", "memcached"},
	{"nginx", []string{"nginx", "nginx-debug"}, end + "nginx version: nginx/", []string{end, " ", "\n"}, 3, "f5", "nginx"},
	{"node", []string{"node", "nodejs"}, end + "node.js/v", []string{end}, 3, "nodejs", "node.js"},
	{"openssh", []string{"sshd", "ssh", "sshd-session"}, end + "OpenSSH_", []string{end, " "}, 2, "openbsd", "openssh"},
	{"openssl", []string{"openssl", "libcrypto.so*", "libssl.so*"}, end + "OpenSSL ", []string{" "}, 3, "openssl", "openssl"},
	{"perl", []string{"perl#", "libperl.so*"}, end + "v", []string{end}, 3, "perl", "perl"},
	{"php", []string{"php#", "php-cgi#", "php-fpm#", "libphp#.so"}, end + "X-Powered-By: PHP/", []string{end, "-"}, 3, "php", "php"},
	{"postgresql", []string{"postgres"}, end + "PostgreSQL ", []string{" on ", " (Debian ", " (Ubuntu "}, 2, "postgresql", "postgresql"},
	{"proftpd", []string{"proftpd"}, "ProFTPD ", []string{" standalone mode"}, 3, "proftpd", "proftpd"},
	{"python", []string{"python#", "libpython#.so*"}, end, []string{end}, 3, "python", "python"},
	{"ruby", []string{"ruby#", "libruby.so*", "libruby-#.so*"}, end + "ruby ", []string{" (2", "p"}, 3, "ruby-lang", "ruby"},
	{"sqlite", []string{"libsqlite3.so*"}, end, []string{end}, 3, "sqlite", "sqlite"},
	{"squid", []string{"squid"}, end + "squid/", []string{end}, 2, "squid-cache", "squid"},
	{"unbound", []string{"unbound"}, end + "unbound ", []string{end}, 3, "nlnetlabs", "unbound"},
	{"varnish", []string{"varnishd"}, end + "varnish-", []string{" revision"}, 3, "varnish-software", "varnish_cache"},
	{"vsftpd", []string{"vsftpd"}, end + "(vsFTPd ", []string{")"}, 3, "vsftpd_project", "vsftpd"},
}
