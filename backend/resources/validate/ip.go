package validate

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// IP wants an IP address without the spellings that programs read differently
// (leading zeros, IPv4 mapped into IPv6). Values among old, those that the
// object had before, pass.
func IP(path *field.Path, value string, old ...string) field.ErrorList {
	return validation.IsValidIPForLegacyField(path, value, true, old)
}

// CIDR is IP for an address range.
func CIDR(path *field.Path, value string, old ...string) field.ErrorList {
	return validation.IsValidCIDRForLegacyField(path, value, true, old)
}

// NonSpecialIP refuses addresses that cannot be endpoints of traffic between
// pods: unspecified, loopback and link-local ones.
func NonSpecialIP(value string, path *field.Path) field.ErrorList {
	ip := netutils.ParseIPSloppy(value)
	if ip == nil {
		return field.ErrorList{field.Invalid(path, value, "must be a valid IP address")}
	}
	var errs field.ErrorList
	if ip.IsUnspecified() {
		errs = append(errs, field.Invalid(path, value, fmt.Sprintf("may not be unspecified (%v)", value)))
	}
	if ip.IsLoopback() {
		errs = append(errs, field.Invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
	}
	if ip.IsLinkLocalUnicast() {
		errs = append(errs, field.Invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
	}
	if ip.IsLinkLocalMulticast() {
		errs = append(errs, field.Invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
	}
	return errs
}
