package httpserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// maxJSON bounds the bytes of a body that ReadJSON reads.
const maxJSON = 64 << 10

// ReadJSON decodes a small body, which is one JSON value, into to. An unknown field is an
// error: a misspelled one would change the meaning of the request.
func (s *Server) ReadJSON(w http.ResponseWriter, r *http.Request, to any) error {
	if header := r.Header.Get("Content-Type"); header != "" {
		if media, _, err := mime.ParseMediaType(header); err != nil || media != "application/json" {
			return Problem{Status: http.StatusUnsupportedMediaType, What: fmt.Sprintf("unsupported content type %.100q", header), Hint: "send application/json"}
		}
	}
	// In tests without a connection there are no deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.BodyStart))
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSON))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("more than one JSON value")
		} else if err == io.EOF {
			return nil
		}
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return Problem{Status: http.StatusRequestEntityTooLarge, What: fmt.Sprintf("the body is larger than %d KiB", maxJSON>>10), Hint: "docs/api.md describes the request"}
	}
	return Problem{Status: http.StatusBadRequest, What: "invalid JSON: " + err.Error(), Hint: "docs/api.md describes the request"}
}

// RecordRefusal reports whether the refusal of a request is to be recorded: of each token
// the first ten, and then one a minute.
func (s *Server) RecordRefusal(token string) bool {
	_, ok := s.recorded.allow(token, s.Now())
	return ok
}
