//! Members of the cryptographic families of micro-ops, kept in the immediate.

use crate::float::family;

family! {
    /// Steps of AES ([`Op::VAes`](crate::Op::VAes)).
    Aes {
        Encrypt "AESE: AddRoundKey of `ra` with `rb`, ShiftRows, SubBytes.";
        Decrypt "AESD: AddRoundKey of `ra` with `rb`, InvShiftRows, InvSubBytes.";
        MixColumns "AESMC of `ra`.";
        InverseMixColumns "AESIMC of `ra`.";
    }
}

family! {
    /// Steps of SHA-1 and SHA-256 ([`Op::VSha`](crate::Op::VSha)) on `rd`, `ra`, `rb` as the
    /// instructions' d, n, m.
    Sha {
        Sha1C "SHA1C: four rounds, choose.";
        Sha1P "SHA1P: four rounds, parity.";
        Sha1M "SHA1M: four rounds, majority.";
        Sha1H "SHA1H: rotation of `ra`.";
        Sha1Su0 "SHA1SU0: schedule, first part.";
        Sha1Su1 "SHA1SU1: schedule, second part, from `rd` and `ra`.";
        Sha256H "SHA256H: four rounds, first half of the state.";
        Sha256H2 "SHA256H2: four rounds, second half of the state.";
        Sha256Su0 "SHA256SU0: schedule, first part, from `rd` and `ra`.";
        Sha256Su1 "SHA256SU1: schedule, second part.";
    }
}
