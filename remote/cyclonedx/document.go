package cyclonedx

// The structs hold the parts of a document that are read or written, in the order of the
// specification. Components are pointers, so that a long list grows cheaply.

type document struct {
	Schema      string       `json:"$schema,omitempty"`
	BOMFormat   string       `json:"bomFormat"`
	SpecVersion string       `json:"specVersion"`
	Version     int          `json:"version,omitempty"`
	Metadata    metadata     `json:"metadata"`
	Components  []*component `json:"components"`
}

type metadata struct {
	Tools      tools      `json:"tools,omitzero"`
	Component  *component `json:"component,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type tools struct {
	Components []tool `json:"components"`
}

type tool struct {
	Type    string `json:"type,omitempty"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

func (t tools) IsZero() bool { return len(t.Components) == 0 }

type component struct {
	Type        string        `json:"type"`
	Supplier    *organization `json:"supplier,omitempty"`
	Publisher   string        `json:"publisher,omitempty"`
	Group       string        `json:"group,omitempty"`
	Name        string        `json:"name"`
	Version     string        `json:"version,omitempty"`
	Description string        `json:"description,omitempty"`
	Hashes      []hash        `json:"hashes,omitempty"`
	CPE         string        `json:"cpe,omitempty"`
	PURL        string        `json:"purl,omitempty"`
	Components  []*component  `json:"components,omitempty"`
	Evidence    evidence      `json:"evidence,omitzero"`
	Properties  []property    `json:"properties,omitempty"`
}

type organization struct {
	Name string `json:"name,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type evidence struct {
	Occurrences []occurrence `json:"occurrences"`
}

func (e evidence) IsZero() bool { return len(e.Occurrences) == 0 }

type occurrence struct {
	Location string `json:"location"`
	Context  string `json:"additionalContext,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Names of assay's own properties.
const (
	propType          = "assay:type"
	propName          = "assay:name"
	propVersion       = "assay:version"
	propArch          = "assay:arch"
	propSource        = "assay:source"
	propSourceVersion = "assay:source-version"
	propVendor        = "assay:vendor"
	propSignedBy      = "assay:signed-by"
	propModule        = "assay:module"
	propEmbeddedIn    = "assay:embedded-in"
	propContentSet    = "assay:content-set"
	propHash          = "assay:hash"
	propOwner         = "assay:owner"
	propOwnerDigest   = "assay:owner-digest"
	propCodename      = "assay:codename"
	propIDLike        = "assay:id-like"
	propRepository    = "assay:repository"
	propHeld          = "assay:held"
	propLinked        = "assay:linked"
	propLayer         = "assay:layer"
	propModified      = "assay:database-modified"
	propImage         = "assay:image"
	propPartial       = "assay:partial"
	propOption        = "assay:option:" // followed by ORIGIN:NAME
	propFile          = "assay:file:"   // followed by KIND:NAME
)

// A partial is the value of a propPartial property.
type partial struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	Err  string `json:"error"`
}
