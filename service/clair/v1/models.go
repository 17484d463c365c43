package v1

// The types of the API, as api/v1/models.go of Clair 2 has them. Fields that are empty are
// left out.

// An apiError is why a request failed.
type apiError struct {
	Message string `json:"Message,omitempty"`
}

type layer struct {
	Name             string            `json:"Name,omitempty"`
	NamespaceName    string            `json:"NamespaceName,omitempty"`
	Path             string            `json:"Path,omitempty"`
	Headers          map[string]string `json:"Headers,omitempty"`
	ParentName       string            `json:"ParentName,omitempty"`
	Format           string            `json:"Format,omitempty"`
	IndexedByVersion int               `json:"IndexedByVersion,omitempty"`
	Features         []feature         `json:"Features,omitempty"`
}

type namespace struct {
	Name          string `json:"Name,omitempty"`
	VersionFormat string `json:"VersionFormat,omitempty"`
}

type vulnerability struct {
	Name          string         `json:"Name,omitempty"`
	NamespaceName string         `json:"NamespaceName,omitempty"`
	Description   string         `json:"Description,omitempty"`
	Link          string         `json:"Link,omitempty"`
	Severity      string         `json:"Severity,omitempty"`
	Metadata      map[string]any `json:"Metadata,omitempty"`
	FixedBy       string         `json:"FixedBy,omitempty"`
	FixedIn       []feature      `json:"FixedIn,omitempty"`
}

type feature struct {
	Name            string          `json:"Name,omitempty"`
	NamespaceName   string          `json:"NamespaceName,omitempty"`
	VersionFormat   string          `json:"VersionFormat,omitempty"`
	Version         string          `json:"Version,omitempty"`
	Vulnerabilities []vulnerability `json:"Vulnerabilities,omitempty"`
	AddedBy         string          `json:"AddedBy,omitempty"`
}

type layerEnvelope struct {
	Layer *layer    `json:"Layer,omitempty"`
	Error *apiError `json:"Error,omitempty"`
}

type namespaceEnvelope struct {
	Namespaces *[]namespace `json:"Namespaces,omitempty"`
}

type vulnerabilityEnvelope struct {
	Vulnerability   *vulnerability   `json:"Vulnerability,omitempty"`
	Vulnerabilities *[]vulnerability `json:"Vulnerabilities,omitempty"`
	NextPage        string           `json:"NextPage,omitempty"`
}

type featureEnvelope struct {
	Features *[]feature `json:"Features,omitempty"`
}

type errorEnvelope struct {
	Error *apiError `json:"Error,omitempty"`
}
