package wordpress

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/feed/cve/record"
)

// FromCVE returns the affected entries of a CVE record about WordPress, its plugins and
// its themes, one for each package. Those of the CNA count. If the CNA names no product,
// its description is read, as far as it has one of a few common forms.
//
// A record that is about a known package but whose versions cannot be ordered has an entry
// with a range that has no order either: the package then is not evaluated with it. A
// record about an unknown package has no entry.
func FromCVE(r *record.Record) []advisory.Affected {
	if r.Metadata.State != record.Published {
		return nil
	}
	c := newCVE(r)
	var all []advisory.Affected
	add := func(name string, got ranges) {
		if len(got.ranges)+len(got.versions) == 0 {
			return
		}
		i := slices.IndexFunc(all, func(a advisory.Affected) bool { return a.Package.Name == name })
		if i < 0 {
			i = len(all)
			all = append(all, advisory.Affected{Package: Package(name)})
		}
		all[i].Ranges = append(all[i].Ranges, got.ranges...)
		all[i].Versions = append(all[i].Versions, got.versions...)
		if got.note != "" {
			all[i].DatabaseSpecific = Note(got.note)
		}
	}
	for _, a := range r.Containers.CNA.Affected {
		for _, name := range c.names(a) {
			add(name, c.versions(a, name == Core))
		}
	}
	return all
}

// A cve is a CVE record with what its texts and links say.
type cve struct {
	cna         string
	title       string
	description string
	entries     []record.Affected
	links       []link
}

func newCVE(r *record.Record) cve {
	cna := &r.Containers.CNA
	return cve{
		cna:         r.Metadata.Assigner,
		title:       bounded(record.Plain(cna.Title)),
		description: bounded(record.Plain(cna.English())),
		entries:     cna.Affected,
		links:       links(cna.References),
	}
}

// bounded returns the beginning of a text that is searched for each product of a record. The
// format allows 4096 characters.
func bounded(text string) string {
	const most = 4 << 10
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// A link is a reference that names a slug.
type link struct {
	slug string
	kind Kind // empty if the link does not say
	// path: the kind is a part of the path of its own.
	path bool
}

// slugLinks finds slugs in references. The named groups are the slug and the kind.
var slugLinks = []*regexp.Regexp{
	regexp.MustCompile(`(?i)^https?://(?:[a-z-]+\.)?wordpress\.org/(?P<kind>plugin|theme)s/(?P<slug>[^/?#]+)`),
	regexp.MustCompile(`(?i)^https?://(?P<kind>plugin|theme)s\.trac\.wordpress\.org/browser/(?P<slug>[^/?#]+)`),
	regexp.MustCompile(`(?i)^https?://(?P<kind>plugin|theme)s\.trac\.wordpress\.org/changeset/[0-9]+/(?P<slug>[^/?#]+)`),
	regexp.MustCompile(`(?i)^https?://(?P<kind>plugin|theme)s\.trac\.wordpress\.org/changeset\?(?:.*&)?(?:old|new)=[0-9]+(?:@|%40)(?P<slug>[^/?#&%]+)`),
	regexp.MustCompile(`(?i)^https?://(?P<kind>plugin|theme)s\.trac\.wordpress\.org/changeset\?(?:.*&)?(?:old|new)_path=(?:/|%2F)(?P<slug>[^/?#&%@]+)`),
	regexp.MustCompile(`(?i)^https?://(?P<kind>plugin|theme)s\.svn\.wordpress\.org/(?P<slug>[^/?#]+)`),
	regexp.MustCompile(`(?i)^https?://(?:vdp\.)?patchstack\.com/database/wordpress/(?P<path>plugin|theme)/(?P<slug>[^/?#]+)`),
	regexp.MustCompile(`(?i)^https?://(?:vdp\.)?patchstack\.com/database/vulnerability/(?P<slug>[^/?#]+)/wordpress-[^/?#]*?-(?P<kind>plugin|theme)(?:-|$|\?)`),
	regexp.MustCompile(`(?i)^https?://(?:vdp\.)?patchstack\.com/database/vulnerability/(?P<slug>[^/?#]+)/wordpress-`),
	regexp.MustCompile(`(?i)^https?://github\.com/wp-plugins/(?P<slug>[^/?#]+)`),
}

func links(refs []record.Reference) []link {
	var all []link
	for _, ref := range refs {
		for _, re := range slugLinks {
			m := re.FindStringSubmatch(ref.URL)
			if m == nil {
				continue
			}
			l := link{slug: strings.ToLower(m[re.SubexpIndex("slug")])}
			if i := re.SubexpIndex("path"); i >= 0 {
				l.kind, l.path = Kind(strings.ToLower(m[i])), true
			} else if i := re.SubexpIndex("kind"); i >= 0 {
				l.kind = Kind(strings.ToLower(m[i]))
			} else if strings.Contains(ref.URL, "wp-plugins") {
				l.kind = Plugin
			}
			if l.slug != "wordpress" { // Patchstack's pages about WordPress itself
				all = append(all, l)
			}
			break
		}
	}
	return all
}

// Linked returns the name of the plugin or theme that links are about. It is not ok if they
// name none or several, or do not say which kind it is.
func Linked(urls []string) (name string, ok bool) {
	var refs []record.Reference
	for _, url := range urls {
		refs = append(refs, record.Reference{URL: url})
	}
	slug, kind := "", Kind("")
	for _, l := range links(refs) {
		if slug != "" && l.slug != slug || kind != "" && l.kind != "" && l.kind != kind {
			return "", false
		}
		slug, kind = l.slug, cmp.Or(kind, l.kind)
	}
	if kind == "" {
		return "", false
	}
	return Name(kind, slug)
}

// names returns the names of the packages that an affected entry is about.
func (c *cve) names(a record.Affected) []string {
	product := strings.ToLower(record.Plain(a.Product))
	if c.isCore(a, product) {
		return []string{Core}
	}
	if slug, collection, ok := c.collected(a); ok {
		return c.named(slug, collection)
	}
	if !c.aboutWordPress() {
		return nil
	}
	if own, ok := products[product]; ok && a.PackageName == "" {
		return own
	}
	if a.PackageName != "" || strings.Contains(a.CollectionURL, "/") && !onWordPressOrg(a.CollectionURL) {
		return nil
	}
	if slug := c.linked(product); slug != "" {
		return c.named(slug, "")
	}
	return nil
}

// named returns the name of a plugin or theme as a list.
func (c *cve) named(slug string, collection Kind) []string {
	name, ok := Name(c.kind(slug, collection), slug)
	if !ok {
		return nil
	}
	return []string{name}
}

// isCore reports whether an entry is about WordPress itself.
func (c *cve) isCore(a record.Affected, product string) bool {
	switch product {
	case "wordpress", "wordpress core", "wordpress-develop":
	case "n/a", "":
		_, ok := c.coreText()
		return ok && a.PackageName == ""
	default:
		return false
	}
	switch strings.ToLower(record.Plain(a.Vendor)) {
	case "wordpress", "wordpress foundation", "wordpress.org", "automattic", "n/a", "unknown", "":
		return a.PackageName == "" || strings.EqualFold(a.PackageName, "wordpress")
	}
	return false
}

func onWordPressOrg(url string) bool { return strings.Contains(strings.ToLower(url), "wordpress.org/") }

// collected returns the slug that an entry itself names, and the kind of its collection.
// Names within collections that are not WordPress's are used only for CNAs that publish
// about WordPress alone: paid extensions are sold elsewhere.
func (c *cve) collected(a record.Affected) (slug string, kind Kind, ok bool) {
	url := strings.ToLower(strings.TrimRight(a.CollectionURL, "/"))
	switch {
	case onWordPressOrg(url + "/"):
		_, path, _ := strings.Cut(url, "wordpress.org/")
		section, rest, _ := strings.Cut(path, "/")
		switch section {
		case "plugins", "plugin":
			kind = Plugin
		case "themes", "theme":
			kind = Theme
		}
		slug, _, _ = strings.Cut(rest, "/")
	case c.cna != "Patchstack" || a.PackageName == "":
		return "", "", false
	}
	if a.PackageName != "" {
		slug = strings.TrimRight(a.PackageName, "/")
		slug = slug[strings.LastIndexByte(slug, '/')+1:]
	}
	return slug, kind, slug != ""
}

// aboutWordPress reports whether the record is about an extension of WordPress at all.
func (c *cve) aboutWordPress() bool {
	switch c.cna {
	case "Patchstack", "Wordfence", "WPScan":
		return true
	}
	if slices.ContainsFunc(c.entries, func(a record.Affected) bool { return onWordPressOrg(a.CollectionURL) }) {
		return true
	}
	text := strings.ToLower(c.title + " " + c.description)
	return strings.Contains(text, "wordpress") || slices.ContainsFunc(c.links, func(l link) bool { return l.kind != "" })
}

// products are products that the records name without a slug, by the exact name in lower
// case. Secure Custom Fields has taken over the slug of Advanced Custom Fields at
// wordpress.org, so records about it are about both slugs.
var products = map[string][]string{
	"advanced custom fields pro":            {"plugin/advanced-custom-fields-pro"},
	"custom author base":                    {"plugin/custom-author-base"},
	"eventprime":                            {"plugin/eventprime-event-calendar-management"},
	"foogallery":                            {"plugin/foogallery"},
	"jetpack":                               {"plugin/jetpack"},
	"ninja forms google sheet connector":    {"plugin/gsheetconnector-ninja-forms"},
	"profilepress":                          {"plugin/wp-user-avatar"},
	"secure custom fields":                  {"plugin/advanced-custom-fields", "plugin/secure-custom-fields"},
	"site kit by google":                    {"plugin/google-site-kit"},
	"srbtranslatin":                         {"plugin/srbtranslatin"},
	"the events calendar":                   {"plugin/the-events-calendar"},
	"woocommerce":                           {"plugin/woocommerce"},
	"woocommerce payments wordpress plugin": {"plugin/woocommerce-payments"},
	"wp-crontrol":                           {"plugin/wp-crontrol"},
	"wp-optimize":                           {"plugin/wp-optimize"},
}

// slugLike finds products that are slugs: WPScan names paid plugins like this.
var slugLike = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)

// linked returns the slug of a product according to the links, or an empty string. Of
// several slugs, that of the most links counts, since some links lead to other plugins
// that have the same code.
func (c *cve) linked(product string) string {
	votes := make(map[string]int)
	for _, l := range c.links {
		votes[l.slug]++
	}
	if len(c.entries) > 1 {
		return c.linkedTo(product, votes)
	}
	best, most, tied := "", 0, false
	for slug, n := range votes {
		switch {
		case n > most:
			best, most, tied = slug, n, false
		case n == most:
			tied = true
		}
	}
	if tied {
		return c.linkedTo(product, votes)
	}
	if best == "" {
		return c.linkedTo(product, nil)
	}
	return best
}

// linkedTo returns the slug with the most links among those whose words are words of the
// product, or the product itself if it is a slug.
func (c *cve) linkedTo(product string, votes map[string]int) string {
	if slugLike.MatchString(product) {
		return product
	}
	words := wordsOf(product)
	paid := slices.ContainsFunc(paidWords, func(w string) bool { return slices.Contains(words, w) })
	best, most := "", 0
	for slug, n := range votes {
		own := wordsOf(slug)
		within := !slices.ContainsFunc(own, func(w string) bool { return !slices.Contains(words, w) })
		ownPaid := slices.ContainsFunc(paidWords, func(w string) bool { return slices.Contains(own, w) })
		if within && paid == ownPaid && (n > most || n == most && slug < best) {
			best, most = slug, n
		}
	}
	return best
}

var paidWords = []string{"pro", "premium", "multisite"}

func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

var (
	themeWord  = regexp.MustCompile(`(?i)\bthemes?\b`)
	pluginWord = regexp.MustCompile(`(?i)\bplug-?ins?\b`)
)

// wordKind returns the kind that a text names, or an empty string if it names none or both.
func wordKind(text string) Kind {
	theme, plugin := themeWord.MatchString(text), pluginWord.MatchString(text)
	switch {
	case theme && !plugin:
		return Theme
	case plugin && !theme:
		return Plugin
	}
	return ""
}

// kind returns whether a slug is that of a plugin or a theme. collection is what the
// collection of the entry says, which is usually right. Some records have the wrong
// collection, and others the wrong word in their title:
//
//   - The collection of plugins is wrong if the title says theme, and so does the path of
//     a link or the description.
//   - The collection of themes is wrong if the title says plugin, and so does a link,
//     unless the path of a link says theme.
func (c *cve) kind(slug string, collection Kind) Kind {
	var path, tail Kind
	for _, l := range c.links {
		if l.slug != strings.ToLower(slug) {
			continue
		}
		if l.path && path == "" {
			path = l.kind
		} else if tail == "" {
			tail = l.kind
		}
	}
	title, described := wordKind(c.title), wordKind(c.description)
	switch collection {
	case Plugin:
		if title == Theme && (path == Theme || described == Theme) {
			return Theme
		}
		return Plugin
	case Theme:
		if title == Plugin && path != Theme && (path == Plugin || tail == Plugin) {
			return Plugin
		}
		return Theme
	}
	for _, k := range [...]Kind{path, tail, title, described} {
		if k != "" {
			return k
		}
	}
	return Plugin
}
