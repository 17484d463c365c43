package java

import (
	"slices"
	"strings"
)

// coordinates returns the coordinates that follow from a manifest for an archive named
// artifact that has no files of Maven. They are the zero value if none follow.
//
//   - The Maven and Gradle plugins for OSGi bundles name a bundle "group.artifact" by
//     default. An artifact without a hyphen could also be the last part of a Java
//     package, so it is not used.
//   - Tomcat and Spring are not built with Maven, are in most images with Java, and
//     have unique names.
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

// springFramework are the modules of the Spring framework itself. Spring's other
// projects have similar names, but groups of their own.
var springFramework = [...]string{
	"aop", "aspects", "beans", "context", "context-indexer", "context-support", "core", "expression",
	"instrument", "jcl", "jdbc", "jms", "messaging", "orm", "oxm", "r2dbc", "test", "tx", "web", "webflux",
	"webmvc", "webmvc-portlet", "websocket",
}
