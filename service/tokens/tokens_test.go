package tokens

import (
	"context"
	"testing"

	"assay/service/store"
)

type trail []store.Event

func (t *trail) AddEvent(ctx context.Context, e store.Event) error {
	*t = append(*t, e)
	return ctx.Err()
}

// A client that goes away before the answer does not keep its refusal out of the trail.
func TestRecordWithoutClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got trail
	if err := Record(ctx, &got, store.Event{Actor: "ops"}); err != nil || len(got) != 1 || got[0].Actor != "ops" {
		t.Errorf("%+v, %v", got, err)
	}
}
