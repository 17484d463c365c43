package html

import (
	"regexp"
	"strings"
)

// The ids that have a page of their own at a public site.
var (
	cve  = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
	ghsa = regexp.MustCompile(`^GHSA(-[0-9a-z]{4}){3}$`)
	osv  = regexp.MustCompile(`^(ALBA|ALEA|ALPINE|ALSA|ASB|BIT|CGA|CURL|DEBIAN|DLA|DSA|ECHO|GO|GSD|HSEC|JLSEC|MAL|MGASA|MINI|OESA|OSV|PHSA|PSF|PYSEC|RHBA|RHEA|RHSA|RLSA|RSEC|RUSTSEC|RXSA|SUSE|UBUNTU|USN|openSUSE)-[0-9A-Za-z:._-]{1,60}$`)
)

// link returns the address of the page about a vulnerability, or "" if none is known. It
// depends on the form of the id alone: no address comes from an image or a feed.
func link(id string) string {
	switch {
	case cve.MatchString(id):
		return "https://www.cve.org/CVERecord?id=" + id
	case ghsa.MatchString(id):
		return "https://github.com/advisories/" + id
	case osv.MatchString(id):
		return "https://osv.dev/vulnerability/" + strings.ReplaceAll(id, ":", "%3A")
	}
	return ""
}
