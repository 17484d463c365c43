package html

// Link is link, for tests.
var Link = link
