package v4

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"assay/service/httpserver"
	"assay/service/store"
)

// pageSize is how many notifications a page has if the client does not say.
const pageSize = 500

// uuid is the form of the id of a notification.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func notificationOf(r *http.Request) error {
	if id := r.PathValue("id"); !uuid.MatchString(id) {
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("could not parse notification id: %.40q is no UUID", id)}
	}
	return nil
}

// getNotification answers as Clair does for an id without notifications: assayd sends none
// yet.
func (h *handler) getNotification(w http.ResponseWriter, r *http.Request, _ store.Token) error {
	if err := notificationOf(r); err != nil {
		return err
	}
	size := pageSize
	if text := r.URL.Query().Get("page_size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return httpserver.Problem{Status: http.StatusBadRequest, What: `could not parse "page_size" query param into integer`}
		}
		if n != 0 {
			size = n
		}
	}
	if size < 1 {
		return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("bad page size: %d", size)}
	}
	if next := r.URL.Query().Get("next"); next != "" && !uuid.MatchString(next) {
		return httpserver.Problem{Status: http.StatusBadRequest, What: `could not parse "next" query param: it is no UUID`}
	}
	kind, err := negotiate(r, typeNotificationPage, typeJSON)
	if err != nil {
		return err
	}
	type page struct {
		Size int `json:"size"`
	}
	return send(w, http.StatusOK, kind, struct {
		Page          page       `json:"page"`
		Notifications []struct{} `json:"notifications"`
	}{page{size}, []struct{}{}})
}

// deleteNotification has nothing to delete, which is not an error in Clair either.
func (h *handler) deleteNotification(w http.ResponseWriter, r *http.Request, _ store.Token) error {
	if err := notificationOf(r); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
