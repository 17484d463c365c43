package java

import (
	"slices"
	"strings"
)

// coordinates returns those that a manifest gives away of an archive called
// artifact, though no file of Maven is in it; their zero value where it does not.
//
//   - The plugins that make bundles of OSGi with Maven and Gradle call them
//     "group.artifact" unless told otherwise. An artifact without a hyphen may as
//     well be the last part of a Java package, so it tells nothing.
//   - Tomcat and Spring are not built with Maven, lie in most images that hold
//     Java at all, and have names that nobody else has.
func (m manifest) coordinates(artifact, version string) coordinates {
	if group, ok := strings.CutSuffix(m.bundle, "."+artifact); ok && strings.Contains(artifact, "-") {
		return coordinates{group, artifact, version}
	}
	if part, ok := strings.CutPrefix(m.bundle, "org.apache.tomcat-"); ok {
		group := "org.apache.tomcat"
		if strings.HasPrefix(part, "embed-") {
			group += ".embed"
		}
		return coordinates{group, "tomcat-" + part, version}
	}
	part, ok := strings.CutPrefix(artifact, "spring-")
	if !ok || m.title != artifact && m.module != strings.ReplaceAll(artifact, "-", ".") {
		return coordinates{}
	}
	switch {
	case part == "boot" || strings.HasPrefix(part, "boot-"):
		return coordinates{"org.springframework.boot", artifact, version}
	case strings.HasPrefix(part, "security-"):
		return coordinates{"org.springframework.security", artifact, version}
	case slices.Contains(springFramework[:], part):
		return coordinates{"org.springframework", artifact, version}
	}
	return coordinates{}
}

// springFramework are the modules of the framework itself. Other projects of
// Spring have names of the same kind and groups of their own.
var springFramework = [...]string{
	"aop", "aspects", "beans", "context", "context-indexer", "context-support", "core", "expression",
	"instrument", "jcl", "jdbc", "jms", "messaging", "orm", "oxm", "r2dbc", "test", "tx", "web", "webflux",
	"webmvc", "webmvc-portlet", "websocket",
}
