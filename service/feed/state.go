package feed

import (
	"context"
	"encoding/json"

	"assay/service/store"
)

// A State is what every update saves for the next one. The states of the sources embed
// it.
type State struct {
	// Place is the address of the mirror. For another mirror the state is not valid.
	Place string `json:"place"`
}

// BundleState is the state of data from a bundle. An update of it reads everything, but
// only if the source is named: a network with bundles does not reach the publishers.
const BundleState = `{"place":"bundle"}`

// LoadState returns the state of an origin, as a struct that embeds State. ok is false,
// and the state is zero, if there is none or it is of another mirror.
func LoadState[T any](ctx context.Context, st Store, from store.Origin, m Mirror) (state T, ok bool, err error) {
	var none T
	sources, err := st.Sources(ctx)
	if err != nil {
		return none, false, err
	}
	for _, src := range sources {
		if src.Origin != from {
			continue
		}
		var s State
		if json.Unmarshal([]byte(src.State), &s) != nil || s.Place != m.String() || json.Unmarshal([]byte(src.State), &state) != nil {
			return none, false, nil
		}
		return state, true, nil
	}
	return none, false, nil
}

// EncodeState encodes a state for store.Import.
func EncodeState(state any) (string, error) {
	b, err := json.Marshal(state)
	return string(b), err
}
