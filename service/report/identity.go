package report

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// URI returns the address of the report of a scan in a format, or, for a scan that is not
// kept, a URN that is derived from the JSON of content: what the report is made of.
func (s Scan) URI(format string, content any) (string, error) {
	if s.Verdict.Scan != "" && s.PublicURL != "" {
		return s.PublicURL + "/api/v1/scans/" + s.Verdict.Scan + "/report?format=" + format, nil
	}
	text, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("urn:assay:%s:%x", format, sha256.Sum256(text)), nil
}

// UUID returns a UUID that is derived from data with SHA-256 (version 8 of RFC 9562).
func UUID(data []byte) string {
	u := sha256.Sum256(data)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
