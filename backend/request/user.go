package request

// Server is who the server acts as when it uses its own API.
var Server = &User{Name: "system:apiserver", Groups: []string{GroupMasters, GroupAuthenticated}}

// User is an authenticated caller, as Kubernetes' user.Info.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Well-known names and groups of Kubernetes.
const (
	UserAnonymous        = "system:anonymous"
	GroupMasters         = "system:masters"
	GroupAuthenticated   = "system:authenticated"
	GroupUnauthenticated = "system:unauthenticated"
)

// InGroup tells whether the user is a member of group.
func (u *User) InGroup(group string) bool {
	if u == nil {
		return false
	}
	for _, g := range u.Groups {
		if g == group {
			return true
		}
	}
	return false
}
