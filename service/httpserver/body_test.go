package httpserver

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// The memory of a body does not depend on the bodies before it: a buffer that is much too
// large is not used again, and the owner of the small body keeps its share.
func TestSmallBodyAfterLarge(t *testing.T) {
	s := New(Config{Memory: NewMemory(32 << 20), Now: time.Now})
	memory := s.BodyMemory(store.Token{ID: "a"})
	b := Body{Sent: make([]byte, 0, 4<<20)}
	if err := s.Receive(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("{}")), memory, &b); err != nil {
		t.Fatal(err)
	}
	if string(b.Sent) != "{}" || b.Cap() > 2*keptBody || memory.n > 2*keptBody {
		t.Errorf("%q takes %d bytes, in a buffer of %d", b.Sent, memory.n, b.Cap())
	}
	// A buffer of a usual size is used again.
	memory.Free()
	kept := make([]byte, 0, keptBody)
	b.Sent = kept
	if err := s.Receive(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("{}")), memory, &b); err != nil {
		t.Fatal(err)
	}
	if &b.Sent[0] != &kept[:1][0] {
		t.Error("the buffer was not used again")
	}
}
