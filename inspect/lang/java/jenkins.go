package java

import (
	"io"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// Jenkins is the type of Jenkins and its plugins. Those that Maven's coordinates show to be of
// Jenkins have the type maven instead: their advisories have either name.
const jenkins = "jenkins"

// JenkinsBases returns the names of the files that WantsJenkins decides about.
func JenkinsBases() []string { return []string{"MANIFEST.MF"} }

// JenkinsLimit is how many bytes of a manifest may be read.
const JenkinsLimit = maxManifest

// WantsJenkins reports whether the file at path, relative to the root, can be the manifest of
// an unpacked plugin of Jenkins, plugins/NAME/META-INF/MANIFEST.MF. Jenkins unpacks its plugins
// next to their archives.
func WantsJenkins(path string) bool {
	dir, ok := strings.CutSuffix(path, "/"+manifestName)
	if !ok || fixture.In(dir) {
		return false
	}
	above, _, ok := cutLast(dir)
	return ok && (above == "plugins" || strings.HasSuffix(above, "/plugins"))
}

// JenkinsInContext reports whether the result of WantsJenkins can depend on a folder of this
// name in the path.
func JenkinsInContext(name string) bool { return name == "plugins" }

func cutLast(dir string) (above, name string, ok bool) {
	i := strings.LastIndexByte(dir, '/')
	if i < 0 {
		return "", dir, false
	}
	return dir[:i], dir[i+1:], true
}

// ReadJenkins reads the manifest of an unpacked plugin of Jenkins. The package is the same as
// that of the plugin's archive. Other manifests have no package.
func ReadJenkins(r io.Reader, path string) ([]inventory.Package, error) {
	m, err := readManifest(r)
	if err != nil {
		return nil, err
	}
	p, ok := m.jenkinsPlugin()
	if !ok {
		return nil, nil
	}
	p.Evidence = []inventory.Evidence{{Path: path, Kind: Kind}}
	return []inventory.Package{p}, nil
}

// jenkinsPlugin returns the plugin of Jenkins that a manifest is of, without its evidence.
func (m manifest) jenkinsPlugin() (p inventory.Package, ok bool) {
	if !isID(m.plugin) || m.pluginVersion == "" || m.jenkins == "" && m.hudson == "" {
		return p, false
	}
	if c := (coordinates{m.pluginGroup, m.plugin, m.pluginVersion}); c.valid() && ofJenkins(c.group) {
		return inventory.Package{Type: "maven", Name: pack{c, true}.name(), Version: c.version}, true
	}
	version := m.pluginVersion
	if !ident.Is(version) {
		version = "" // "1.0-SNAPSHOT (private-0123-user)" of a build by hand
	}
	return inventory.Package{Type: jenkins, Name: "plugin/" + m.plugin, Version: version}, true
}

// ofJenkins reports whether a group has artifacts of Jenkins. The service evaluates those by
// Jenkins' warnings as well.
func ofJenkins(group string) bool {
	for _, of := range [...]string{"org.jenkins-ci", "io.jenkins.plugins", "org.jvnet.hudson", "org.jenkinsci.plugins", "com.cloudbees.jenkins.plugins"} {
		if rest, ok := strings.CutPrefix(group, of); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// addJenkins adds the plugin of Jenkins that an archive is, or Jenkins itself, unless Maven's
// coordinates have named it.
func (s *scan) addJenkins(m manifest, at place) {
	p, ok := m.jenkinsPlugin()
	switch {
	case ok && p.Type == jenkins:
	case m.plugin == "" && m.jenkins != "" && ident.Is(m.jenkins) && extension(at.name) == ".war":
		for i := range s.packages {
			if core := &s.packages[i]; strings.HasPrefix(core.Name, "org.jenkins-ci.main:jenkins-") && core.Version == m.jenkins {
				return // jenkins-core in it, or its own coordinates
			}
		}
		p = inventory.Package{Type: jenkins, Name: "core", Version: m.jenkins}
	default:
		return
	}
	p.Evidence = []inventory.Evidence{{Path: s.path, Kind: Kind}}
	if at.where != "" {
		p.EmbeddedIn = s.path + at.where
	}
	s.packages = append(s.packages, p)
}
