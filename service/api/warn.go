package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"assay/service/store"
	"assay/verdict"
)

// warnBefore is how long before a token expires its builds get a warning.
const warnBefore = 30 * 24 * time.Hour

// pasteable matches names that need no quotes in a shell.
var pasteable = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$`)

// warnings returns the warnings about a token. The end of a JWT or of a derived token is not
// one of them: both are made for one build.
func warnings(t store.Token, now time.Time) []verdict.Warning {
	left := t.Expires.Sub(now)
	if t.Expires.IsZero() || left > warnBefore {
		return nil
	}
	in := "in less than a day"
	switch days := int(left / (24 * time.Hour)); {
	case days == 1:
		in = "in 1 day"
	case days > 1:
		in = fmt.Sprintf("in %d days", days)
	}
	name := "NAME"
	if pasteable.MatchString(t.Name) {
		name = t.Name
	}
	return []verdict.Warning{{
		Text: fmt.Sprintf("the token %.70q expires on %s (%s)", t.Name, t.Expires.UTC().Format(time.DateOnly), in),
		Hint: "assayd token rotate " + name + " makes a new one; store it in place of the old one",
	}}
}

// addWarnings adds warnings to the JSON of a verdict, which is stored without them. They are
// its last field.
func addWarnings(text []byte, list []verdict.Warning) ([]byte, error) {
	object, ok := bytes.CutSuffix(text, []byte("}"))
	if len(list) == 0 || !ok {
		return text, nil
	}
	warnings, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode warnings: %w", err)
	}
	object = append(object, `,"warnings":`...)
	return append(append(object, warnings...), '}'), nil
}
