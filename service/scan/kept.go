package scan

import (
	"bytes"
	"encoding/json"
	"fmt"

	"assay/remote/cyclonedx"
	"assay/remote/jsonread"
	"assay/remote/spdx"
	"assay/service/store"
	"assay/verdict"
)

// Read reads a document that a client sent: CycloneDX or SPDX, in JSON. Its content says which.
func Read(document []byte) (cyclonedx.Scan, error) {
	limits := cyclonedx.DefaultLimits()
	text, err := jsonread.Text(bytes.NewReader(document), limits.Bytes)
	if err != nil {
		return cyclonedx.Scan{}, fmt.Errorf("read the document: %w", err)
	}
	if spdx.Is(text, limits) {
		return spdx.Decode(text, limits)
	}
	return cyclonedx.DecodeText(text, limits)
}

// Decode decodes the request and the verdict of a kept scan.
func Decode(kept store.Scan) (sent cyclonedx.Scan, answered verdict.Verdict, err error) {
	if err := json.Unmarshal(kept.Verdict, &answered); err != nil {
		return sent, answered, fmt.Errorf("decode the verdict of scan %q: %w", kept.ID, err)
	}
	sent, err = Read(kept.Request)
	if err != nil {
		return sent, answered, fmt.Errorf("decode the inventory of scan %q: %w", kept.ID, err)
	}
	return sent, answered, nil
}
