package scan

import (
	"bytes"
	"encoding/json"
	"fmt"

	"assay/remote/cyclonedx"
	"assay/service/store"
	"assay/verdict"
)

// Decode decodes the request and the verdict of a kept scan.
func Decode(kept store.Scan) (sent cyclonedx.Scan, answered verdict.Verdict, err error) {
	if err := json.Unmarshal(kept.Verdict, &answered); err != nil {
		return sent, answered, fmt.Errorf("decode the verdict of scan %q: %w", kept.ID, err)
	}
	sent, err = cyclonedx.Decode(bytes.NewReader(kept.Request), cyclonedx.DefaultLimits())
	if err != nil {
		return sent, answered, fmt.Errorf("decode the inventory of scan %q: %w", kept.ID, err)
	}
	return sent, answered, nil
}
