package match

import (
	"slices"

	"assay/inspect/inventory"
	"assay/service/cpe"
)

// programOf returns the name under which CPE data has a program: the vendor and the product of
// its CPE. It is not ok if the program has no CPE, or one that leaves them open.
func programOf(p inventory.Package) (name string, ok bool) {
	n, err := cpe.Parse(p.CPE)
	if err != nil || n.Part != "a" {
		return "", false
	}
	for _, v := range []string{n.Vendor, n.Product} {
		if v == "" || v == cpe.Any || v == cpe.NA {
			return "", false
		}
	}
	return n.Vendor + ":" + n.Product, true
}

// ByCPE reports whether a finding is about a program that was looked up by its CPE.
func (f *Finding) ByCPE() bool { return f.Package.Type == generic }

// products are names of one product: NVD has renamed vendors, and names a library and its
// program in different records about both.
var products = [][]string{
	{"f5:nginx", "nginx:nginx", "f5:nginx_open_source"},
	{"git-scm:git", "git:git", "git_project:git"},
	{"haxx:curl", "haxx:libcurl"},
	{"lfprojects:valkey", "linuxfoundation:valkey", "valkey-io:valkey"},
	{"nodejs:node.js", "nodejs:nodejs"},
	{"oracle:mysql", "oracle:mysql_server", "mysql:mysql"},
	{"oracle:openjdk", "sun:openjdk"},
	{"perl:perl", "shay:perl"},
	{"python:python", "python_software_foundation:cpython", "python_software_foundation:python"},
	{"varnish-software:varnish_cache", "varnish_cache_project:varnish_cache", "varnish-software:varnish"},
	{"vsftpd_project:vsftpd", "beasts:vsftpd"},
	{"lua:lua", "puc-rio:lua"},
	{"redis:redis", "redislabs:redis"},
	{"ruby-lang:ruby", "yukihiro_matsumoto:ruby"},
	{"squid-cache:squid", "squid:squid"},
}

// productsOf returns the names under which a program is looked up.
func productsOf(name string) []string {
	i := slices.IndexFunc(products, func(names []string) bool { return slices.Contains(names, name) })
	if i < 0 {
		return []string{name}
	}
	return products[i]
}
