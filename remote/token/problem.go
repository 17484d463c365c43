package token

// A Problem says what is wrong with the form of a token. It never contains the token.
type Problem int

const (
	// Empty is an empty text, often from an ARG without a value.
	Empty Problem = iota + 1
	// Literal is a variable that was not expanded: "${token}", "$TOKEN".
	Literal
	// Foreign is a text that is not a token of assay.
	Foreign
	// Truncated begins like a token and is too short.
	Truncated
	// TooLong begins like a token and is too long.
	TooLong
	// Mistyped has the right length and a wrong checksum.
	Mistyped
)

// Error says what is wrong in one line.
func (p Problem) Error() string {
	switch p {
	case Empty:
		return "the token is empty"
	case Literal:
		return "the token is the name of a variable, not its value"
	case Truncated:
		return "the token is truncated"
	case TooLong:
		return "the token is too long"
	case Mistyped:
		return "the token is mistyped: its checksum is wrong"
	}
	return "this is not a token of assay"
}

// Hint says what to try next in one line.
func (p Problem) Hint() string {
	switch p {
	case Empty:
		return "pass --build-arg with the token, and repeat ARG after each FROM: a build argument ends with its stage"
	case Literal:
		return "the exec form of RUN expands no variables: name the argument ASSAY_TOKEN, which assay reads from the environment, or write RUN /assay ${token}; repeat ARG after each FROM"
	case Truncated:
		return "copy the whole token again; it begins with assay_ and has 44 characters"
	case TooLong:
		return "copy only the token, without quotes, spaces or a second line; it has 44 characters"
	case Mistyped:
		return "copy the token instead of typing it"
	}
	return "a token begins with assay_; assayd token create --name NAME makes one"
}
