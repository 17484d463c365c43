package html

// Link is link, for tests.
var Link = link

// Headline is headline, for tests.
var Headline = headline
