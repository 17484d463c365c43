package osvapi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/distro"
	"assay/service/match"
)

// A query is a Query of the API. Names in camel case are those that protobuf's JSON encoder
// writes.
type query struct {
	Commit  *string `json:"commit"`
	Version *string `json:"version"`
	Package *struct {
		Name      string `json:"name"`
		Ecosystem string `json:"ecosystem"`
		PURL      string `json:"purl"`
	} `json:"package"`
	PageToken      string `json:"page_token"`
	PageTokenCamel string `json:"pageToken"`
}

// A batch is a BatchQuery of the API.
type batch struct {
	Queries []*query `json:"queries"`
}

// decode decodes a body. Unknown fields are errors: a misspelled one would change what is
// asked for.
func decode(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return invalid("invalid JSON: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("invalid JSON: there is more than one value")
	}
	return nil
}

// A parsed query is what is looked up, and after which record its answer begins.
type parsed struct {
	match.Query
	after string
}

// parse checks a query, with the errors of api.osv.dev. What this service cannot answer is
// an error too.
func (q *query) parse() (parsed, error) {
	none := func(err error) (parsed, error) { return parsed{}, err }
	switch {
	case q == nil:
		return none(invalid("no query provided"))
	case q.Commit != nil && q.Version != nil:
		return none(invalid("commit and version are both set"))
	case q.Commit != nil:
		if _, err := hex.DecodeString(*q.Commit); *q.Commit == "" || err != nil {
			return none(invalid("invalid hash"))
		}
		return none(notAnswered("queries by commit are not supported by this service"))
	case q.Package == nil:
		return none(invalid("invalid query"))
	}
	var p parsed
	var err error
	if p.after, err = q.cursor(); err != nil {
		return none(err)
	}
	if q.Version != nil {
		p.Package.Version = *q.Version
	}
	if q.Package.PURL != "" {
		if err := q.byPURL(&p.Query); err != nil {
			return none(err)
		}
		return p, nil
	}
	ecosystem := q.Package.Ecosystem
	p.Package.Name, p.Ecosystem = q.Package.Name, ecosystem
	switch {
	case ecosystem == "GIT":
		return none(notAnswered("queries of the ecosystem GIT are not supported by this service"))
	case ecosystem != "" && !known(ecosystem):
		return none(invalid("invalid ecosystem"))
	case p.Package.Name == "" || ecosystem == "" && p.Package.Version == "":
		return none(invalid("invalid query"))
	case ecosystem == "":
		return none(notAnswered("queries without an ecosystem are not supported by this service"))
	}
	return p, nil
}

// byPURL sets what a query by a purl looks up. The qualifiers of the source package and of
// the distribution count, in contrast to api.osv.dev, which ignores most of them.
func (q *query) byPURL(to *match.Query) error {
	switch {
	case q.Package.Name != "":
		return invalid("name specified in a PURL query")
	case q.Package.Ecosystem != "":
		return invalid("ecosystem specified in a PURL query")
	}
	var u purl.PURL
	if err := u.Parse(q.Package.PURL); err != nil {
		return invalid("%v", err)
	}
	if u.Type == "gradle" {
		u.Type = "maven"
	}
	if u.Version != "" && to.Package.Version != "" {
		return invalid("version specified in params and PURL query")
	}
	if u.Version == "" {
		u.Version = to.Package.Version
	}
	to.Package = u.Package()
	if u.Distributed() {
		return distributed(u, to)
	}
	var err error
	to.Ecosystem, err = ecosystemOf(u)
	return err
}

// ecosystemOf returns the ecosystem of the package of a purl that is not a distribution's.
func ecosystemOf(u purl.PURL) (string, error) {
	typ := u.Package().Type
	switch typ {
	case "generic":
		return "OSS-Fuzz", nil
	case "opam":
		return "opam", nil
	case "dhi":
		return hardened, nil
	case "composer":
		if repository := u.Qualifier("repository_url"); repository != "" {
			return "Packagist:" + repository, nil
		}
	}
	e, ok := match.EcosystemOf(typ)
	if !ok {
		return "", invalid("unknown PURL type: %.100q", u.Type)
	}
	return e, nil
}

const hardened = "Docker Hardened Images"

// distributionIDs are the IDs in os-release of the distributions that have other namespaces
// in purls.
var distributionIDs = map[string]string{
	"amazon":      "amzn",
	"azure-linux": "azurelinux",
	"opensuse":    "opensuse-leap",
	"oracle":      "ol",
	"redhat":      "rhel",
	"rocky-linux": "rocky",
	"suse":        "sles",
}

// distributed sets where the package of a distribution is looked up: in the release that the
// qualifier "distro" names, or in all releases.
func distributed(u purl.PURL, to *match.Query) error {
	if u.Namespace == "dhi" {
		to.Ecosystem = hardened
		return nil
	}
	id := u.Namespace
	if other, ok := distributionIDs[id]; ok {
		id = other
	}
	d := distro.OfID(id)
	if d == nil {
		return invalid("unknown PURL type: %.100q", u.Type+"/"+u.Namespace)
	}
	to.Ecosystem, _, _ = strings.Cut(d.Ecosystem, ":")
	system := u.System()
	if system.Codename != "" && strings.Trim(system.Codename, "0123456789.") == "" {
		system.VersionID, system.Codename = system.Codename, "" // "distro=12"
	}
	system.Codename = strings.ToLower(system.Codename)
	if system.VersionID == "" && system.Codename == "" {
		return nil
	}
	if system.ID == u.Namespace {
		system.ID = id
	}
	var reason string
	if to.Release, reason = distro.Of(inventory.Inventory{System: system}); reason != "" {
		return notAnswered("%s", reason)
	}
	return nil
}

// schemaEcosystems are the ecosystems of the OSV schema 1.7, without releases.
var schemaEcosystems = []string{
	"AlmaLinux", "Alpaquita", "Alpine", "Android", "Azure Linux", "BellSoft Hardened Containers", "Bioconductor", "Bitnami",
	"CRAN", "Chainguard", "CleanStart", "ConanCenter", "Debian", "Docker Hardened Images", "Echo", "FreeBSD", "GHC",
	"GitHub Actions", "Go", "Hackage", "Hex", "Homebrew", "Julia", "Kubernetes", "Linux", "Mageia", "Maven", "MinimOS", "NuGet",
	"OSS-Fuzz", "Packagist", "Photon OS", "Pub", "PyPI", "Red Hat", "Rocky Linux", "Root", "RubyGems", "SUSE", "SwiftURL",
	"TuxCare", "Ubuntu", "VSCode", "Wolfi", "WordPress", "crates.io", "npm", "opam", "openEuler", "openSUSE", "vcpkg",
}

// known reports whether an ecosystem, with or without a release, is one of the schema or one
// that this service has in addition to it.
func known(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return slices.Contains(schemaEcosystems, base) || base == "Jenkins" || base == "Seal" || distro.OfEcosystem(base) != nil
}

// firstPage is the token that api.osv.dev gives for a query that it has not begun.
const firstPage = "RklSU1RfUEFHRV9UT0tFTg=="

// maxCursor bounds a page token. The longest id of a record has 256 bytes.
const maxCursor = 512

// cursor returns the id after which the page of a query begins.
func (q *query) cursor() (string, error) {
	text := q.PageToken
	if text == "" {
		text = q.PageTokenCamel
	}
	if text == "" || text == firstPage {
		return "", nil
	}
	id, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > maxCursor || len(id) == 0 {
		return "", invalid("invalid cursor")
	}
	return string(id), nil
}

// cursorAfter returns the token for the page after a record.
func cursorAfter(id string) string {
	if id == "" {
		return firstPage
	}
	return base64.RawURLEncoding.EncodeToString([]byte(id))
}
