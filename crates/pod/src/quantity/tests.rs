use super::*;

#[test]
fn every_suffix_is_read_and_rounded_up() {
    // (text, whole value rounded up, thousandths rounded up)
    for (text, value, milli) in [
        ("0", 0, 0),
        ("1", 1, 1000),
        ("250m", 1, 250),
        ("1500m", 2, 1500),
        ("0.5", 1, 500),
        (".5", 1, 500),
        ("5.", 5, 5000),
        ("+7", 7, 7000),
        ("-1500m", -2, -1500),
        ("1u", 1, 1),
        ("1n", 1, 1),
        ("0.1n", 1, 1),
        ("1k", 1000, 1_000_000),
        ("1Ki", 1024, 1_024_000),
        ("64Mi", 67_108_864, 67_108_864_000),
        ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
        ("0.001Ki", 2, 1024),
        ("1e3", 1000, 1_000_000),
        ("1E3", 1000, 1_000_000),
        ("1E", 1_000_000_000_000_000_000, i64::MAX),
        ("12e-1", 2, 1200),
        ("1e-100", 1, 1),
        ("1e100", i64::MAX, i64::MAX),
        ("9Ei", i64::MAX, i64::MAX),
        ("1e99999999999999999999", i64::MAX, i64::MAX),
        (
            "000000000000000000000000000000000000000000000000001",
            1,
            1000,
        ),
        (
            "1000000000000000000000000000000000000000000000000000",
            i64::MAX,
            i64::MAX,
        ),
        ("1.00000000000000000000000000000000000000000000001", 2, 1001),
    ] {
        let quantity = Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (quantity.value(), quantity.milli_value()),
            (value, milli),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_quantity_is_refused() {
    for text in ["", "-", ".", "m", "1.2.3", "Mi", " 1", "--1"] {
        assert_eq!(
            Quantity::parse(text),
            Err(QuantityError::Format),
            "{text:?}"
        );
    }
    for text in [
        "1mi", "1KB", "1K", "1 ", "1e", "1e+", "1ee3", "1e3m", "1é", "1Zi", "1e3.5",
    ] {
        assert_eq!(
            Quantity::parse(text),
            Err(QuantityError::Suffix),
            "{text:?}"
        );
    }
}

#[test]
fn the_canonical_form_is_kubernetes_own() {
    for (text, canonical) in [
        ("0.5", "500m"),
        ("0", "0"),
        ("0Mi", "0"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("1.0001Ki", "1024102400u"),
        ("1e3", "1e3"),
        ("1500e-3", "1500e-3"),
        ("12e0", "12"),
        ("100000000", "100M"),
        ("-5m", "-5m"),
        ("1n", "1n"),
        ("10E", "9223372036854775807"),
    ] {
        assert_eq!(
            Quantity::parse(text).map(|quantity| quantity.to_string()),
            Ok(canonical.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn amounts_compare_by_amount_and_add_in_the_first_ones_notation() {
    let half = Quantity::parse("500m").unwrap();
    assert_eq!(half, Quantity::parse("0.5").unwrap());
    assert!(half < Quantity::whole(1));
    assert_eq!(half.plus(half).to_string(), "1");
    let mebi = Quantity::parse("1Mi").unwrap();
    assert_eq!(Quantity::ZERO.plus(mebi).to_string(), "1Mi");
    assert_eq!(
        mebi.minus(Quantity::parse("512Ki").unwrap()).to_string(),
        "512Ki"
    );
    let most = Quantity::whole(i64::MAX);
    assert_eq!(most.plus(most), most);
}

#[test]
fn dividing_rounds_up_and_a_divisor_of_nothing_is_one() {
    let cpu = Quantity::parse("250m").unwrap();
    assert_eq!(cpu.divided_up(Quantity::ZERO), 1);
    assert_eq!(cpu.divided_up(Quantity::parse("1m").unwrap()), 250);
    assert_eq!(
        Quantity::parse("100Mi")
            .unwrap()
            .divided_up(Quantity::parse("1Ki").unwrap()),
        102_400
    );
    assert_eq!(
        Quantity::parse("100M")
            .unwrap()
            .divided_up(Quantity::parse("1Mi").unwrap()),
        96
    );
}
