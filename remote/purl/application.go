package purl

import "strings"

// application returns the type and name of a package of WordPress or Jenkins. The purl
// specification has no types for them, so tools write them in several ways:
//
//	pkg:wordpress/core@6.8.5                       also /core/wordpress, /wordpress
//	pkg:wordpress/plugin/akismet@5.3               also /plugins/…, /mu-plugin/…, or no kind
//	pkg:wordpress/theme/twentytwenty@1.8           also /themes/…
//	pkg:wordpress-plugin/akismet@5.3               also pkg:wordpress-theme/…
//	pkg:generic/wordpress/plugin/akismet@5.3       also /theme/…, /core/wordpress, or pkg:generic/wordpress
//	pkg:composer/wpackagist-plugin/akismet@5.3     also wpackagist-theme, wp-plugin, wp-theme
//	pkg:jenkins/plugin/git@5.2.2                   also pkg:jenkins/git, pkg:jenkins-plugin/git
//	pkg:jenkins/core@2.441                         also pkg:jenkins/jenkins, pkg:generic/jenkins
//
// The first of each kind is the one that assay writes.
func (p PURL) application() (typ, name string, ok bool) {
	namespace := p.Namespace
	switch p.Type {
	case "wordpress", "jenkins":
		typ = p.Type
		if namespace == "" {
			namespace = "plugin"
			if name := strings.ToLower(p.Name); name == "core" || name == typ {
				namespace = "core"
			}
		}
	case "wordpress-plugin", "wordpress-theme", "wordpress-core", "jenkins-plugin":
		if namespace != "" {
			return "", "", false
		}
		typ, namespace, _ = strings.Cut(p.Type, "-")
	case "generic":
		typ, namespace, _ = strings.Cut(namespace, "/")
		if lower := strings.ToLower(p.Name); p.Namespace == "" && len(p.Qualifiers) == 0 && (lower == "wordpress" || lower == "jenkins") {
			typ, namespace = lower, "core"
		}
		if typ != "wordpress" && typ != "jenkins" {
			return "", "", false
		}
	case "composer":
		switch namespace {
		case "wpackagist-plugin", "wp-plugin":
			namespace = "plugin"
		case "wpackagist-theme", "wp-theme":
			namespace = "theme"
		default:
			return "", "", false
		}
		typ = "wordpress"
	}
	switch namespace {
	case "core":
		return typ, "core", true
	case "plugin", "plugins", "mu-plugin", "mu-plugins":
		return typ, "plugin/" + p.Name, true
	case "theme", "themes":
		return typ, "theme/" + p.Name, typ == "wordpress"
	}
	return "", "", false
}
