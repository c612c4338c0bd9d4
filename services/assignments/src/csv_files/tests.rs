use super::*;

const INSTITUTIONS: &[u8] = include_bytes!("../../../../deploy/data/institutions.csv");
const PROVINCES: &[u8] = include_bytes!("../../../../deploy/data/provinces.csv");

fn faults_of<T>(read: impl Fn(&[u8], &mut Faults) -> Vec<Read<T>>, file: &[u8]) -> Vec<String> {
    let mut faults = Faults::new();
    read(file, &mut faults);
    faults.list().iter().map(|fault| format!("{}: {}", fault.path, fault.en)).collect()
}

#[test]
fn the_files_of_the_repository_are_read_whole() {
    let mut faults = Faults::new();
    let read = institutions(INSTITUTIONS, &mut faults);
    let provinces = territories(PROVINCES, &mut faults);
    assert_eq!(faults.list(), []);
    assert_eq!((read.len(), provinces.len()), (91, 25));
    let sdh = &read[1];
    assert_eq!(
        (sdh.line, sdh.value.name.as_str(), sdh.value.acronym.as_str()),
        (3, "institutions/sdh", "SDH")
    );
    assert_eq!(
        (sdh.value.parent.as_str(), sdh.value.seats.as_slice()),
        ("institutions/presidencia", [1].as_slice())
    );
    assert_eq!(sdh.value.successor, "", "who took over is told by a succession");
    assert!(sdh.value.provenance.as_ref().is_some_and(|provenance| provenance.verified));
    assert!(read.iter().any(|read| read.value.seats == [2, 3]), "one ministry holds two seats");
    assert_eq!(provinces[19].value.time_zone, "Pacific/Galapagos");
}

#[test]
fn every_fault_is_told_with_its_line_and_column() {
    let file = "id,name_es,function,snipevcm_seat,verified,ruc,succession_date\n\
                msp,Ministerio de Salud,executive,,yes,,\n\
                MSP,,royal,x;2,maybe,1790,2025-13-01\n\
                msp,\"Otro\nnombre\",executive,,no,,\n\
                mdt,Trabajo\n";
    insta::assert_snapshot!(faults_of(institutions, file.as_bytes()).join("\n"), @r#"
    file.lines[6]: line 6: has 2 columns and not 7
    file.lines[3].id: line 3, column id: must have 1 to 63 characters of a-z, 0-9 and hyphen
    file.lines[3].snipevcm_seat: line 3, column snipevcm_seat: must be numbers divided by ";"
    file.lines[3].verified: line 3, column verified: must be one of: yes, no
    file.lines[3].name_es: line 3, column name_es: must have 1 to 300 characters and has 0
    file.lines[3].function: line 3, column function: must be one of: executive, judicial, legislative, transparency, electoral, local, civil_society, academia, international
    file.lines[3].ruc: line 3, column ruc: is not kept yet: leave it empty
    file.lines[3].succession_date: line 3, column succession_date: "2025-13-01" is not a date YYYY-MM-DD
    file.lines[4].id: line 4, column id: is in line 2 already
    "#);
}

#[test]
fn a_file_of_the_wrong_shape_is_refused() {
    assert_eq!(faults_of(institutions, b""), ["file: must have a header and at least one row"]);
    assert_eq!(
        faults_of(institutions, b"id,nombre,id\nmsp,Salud,x\n"),
        [
            "file.lines[1].nombre: line 1, column nombre: the column is not known",
            "file.lines[1].id: line 1, column id: the column is there twice",
            "file.lines[1].name_es: line 1, column name_es: the column is missing",
            "file.lines[1].function: line 1, column function: the column is missing",
        ]
    );
    assert_eq!(
        faults_of(institutions, b"id,name_es,function\nmsp,Salud,executive\nmdt,\xFF,executive\n"),
        ["file.lines[3]: line 3: is not UTF-8"]
    );
    assert_eq!(
        faults_of(institutions, &vec![b'x'; FILE_BYTES_MAX + 1]),
        ["file: has more than 4 MiB"]
    );
    assert_eq!(
        faults_of(institutions, b"\xEF\xBB\xBFid,name_es,function\nmsp,Salud,executive\n"),
        [""; 0]
    );
}

#[test]
fn a_territory_has_a_code_and_a_time_zone() {
    let file = "code,name,time_zone\n1,Azuay,America/Guayaquil\n20,Galápagos,Pacific/Galápagos\n2001,San Cristóbal,Pacific/Galapagos\n";
    assert_eq!(
        faults_of(territories, file.as_bytes()),
        [
            "file.lines[2].code: line 2, column code: must be the code of a province (2 digits) or of a canton (4 digits)",
            "file.lines[3].time_zone: line 3, column time_zone: is not an IANA time zone",
        ]
    );
}

#[test]
fn focal_points_are_offices_with_their_addresses() {
    let file = |cell: &str| format!("id,name_es,function,focal_points\nmsp,Salud,executive,{cell}\n");
    let read = institutions(
        file("Planificación <plan@salud.ejemplo>; Estadística").as_bytes(),
        &mut Faults::new(),
    );
    let points = &read[0].value.focal_points;
    let points: Vec<_> = points.iter().map(|point| (point.office.as_str(), point.email.as_str())).collect();
    assert_eq!(points, [("Planificación", "plan@salud.ejemplo"), ("Estadística", "")]);
    assert_eq!(
        faults_of(institutions, file("Uno <a@b>; Uno <a b@c.d>; <e@f.g>").as_bytes()),
        [
            "file.lines[2].focal_points: line 2, column focal_points: is not an e-mail address",
            "file.lines[2].focal_points: line 2, column focal_points: is not an e-mail address",
            "file.lines[2].focal_points: line 2, column focal_points: that office is there twice",
            "file.lines[2].focal_points: line 2, column focal_points: must have 1 to 200 characters and has 0",
        ]
    );
    let many: Vec<String> = (0..11).map(|n| format!("Unidad {n}")).collect();
    assert_eq!(faults_of(institutions, file(&many[..10].join(";")).as_bytes()), [""; 0]);
    assert_eq!(
        faults_of(institutions, file(&many.join(";")).as_bytes()),
        ["file.lines[2].focal_points: line 2, column focal_points: are more than 10 focal points"]
    );
}
