package advisory

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A Status is what the publisher of an affected entry says about the package, in addition
// to the versions. Records have it as the field status of ecosystem_specific, by its
// name; feeds that convert other formats write that field. Some distributions say the
// same with words of their own, which package distro has.
//
// Of several statuses that one publisher gives to a package, the highest counts.
type Status uint8

const (
	StatusAffected           Status = iota // in the versions of the entry
	StatusNotAffected                      // in no version; the entry needs no versions
	StatusUnderInvestigation               // it is not yet known; counts as affected
	StatusFixDeferred                      // affected, and a fix may come later
	StatusWontFix                          // affected, and no fix will come
)

var statusNames = [...]string{"affected", "not affected", "under investigation", "fix deferred", "will not fix"}

// Known reports whether s is one of the constants.
func (s Status) Known() bool { return int(s) < len(statusNames) }

func (s Status) String() string {
	if !s.Known() {
		return fmt.Sprintf("status %d", uint8(s))
	}
	return statusNames[s]
}

// status returns the status in the field ecosystem_specific. Other words are not errors,
// because a database may use the field for something else. The versions then decide.
func (af Affected) status() Status {
	if !bytes.Contains(af.EcosystemSpecific, []byte(`"status"`)) {
		return StatusAffected
	}
	var specific struct {
		Status any `json:"status"`
	}
	if json.Unmarshal(af.EcosystemSpecific, &specific) != nil {
		return StatusAffected
	}
	for s, name := range statusNames {
		if specific.Status == name {
			return Status(s)
		}
	}
	return StatusAffected
}
